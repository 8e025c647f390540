/**
 * Weir with secrets from everywhere at once, before a real node. Rule: a source is the real thing as
 * far as this machine has it: a file, variables of the process, a program, and a server that speaks
 * as AWS Secrets Manager does, asked by Amazon's own client.
 */
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
let folder: string
const warned: string[] = []
/** What the manager holds, by label. */
const versions: Record<string, { id: string; password: string; created: number }> = {
  AWSCURRENT: { id: '1', password: 'from-aws', created: Date.now() / 1_000 },
}

const manager = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { VersionStage } = JSON.parse(Buffer.concat(chunks).toString()) as {
      VersionStage: string
    }
    const version = versions[VersionStage]
    response.setHeader('content-type', 'application/x-amz-json-1.1')
    if (version === undefined) {
      response.statusCode = 400
      response.end('{"__type":"ResourceNotFoundException","message":"no such label"}')
      return
    }
    const SecretString = JSON.stringify({ username: 'of_aws', password: version.password })
    const { id: VersionId, created: CreatedDate } = version
    response.end(JSON.stringify({ Name: 's', VersionId, CreatedDate, SecretString }))
  })
})

beforeAll(async () => {
  await new Promise<void>((resolve) => manager.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(manager.address() as AddressInfo).port}`
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test')
  vi.stubEnv('WEIR_TEST_PASSWORD', 'from-env')
  vi.stubEnv('WEIR_TEST_SECRETS', '[{"username":"of_json","password":"from-json"}]')
  folder = await mkdtemp(join(tmpdir(), 'weir-sources-'))
  await writeFile(join(folder, 'file.json'), '{"username":"of_file","password":"from-file"}')
  await chmod(join(folder, 'file.json'), 0o644)
  await print('from-program')
  const program = [process.execPath, '-e', PROGRAM, join(folder, 'printed.json')]
  house = await startHouse({
    ports: [17_370, 17_399],
    log: { ...silentLog, warn: (_, text) => warned.push(text) },
    config: {
      auth: {
        secrets: [
          { username: 'weir', password: 'weir' },
          join(folder, 'file.json'),
          { username: 'of_env', passwordEnv: 'WEIR_TEST_PASSWORD' },
          { env: 'WEIR_TEST_SECRETS' },
          { command: program, timeout: '60s', refresh: '1s' },
          { secretsManager: { secretId: 's', region: 'eu-central-1', endpoint, refresh: '1s' } },
        ],
      },
    },
  })
  for (const [user, password] of USERS) {
    await house.ask(`create role ${user} login password '${password}'`)
  }
})

afterAll(async () => {
  await house?.end()
  vi.unstubAllEnvs()
  await new Promise((resolve) => manager.close(resolve))
  await rm(folder, { recursive: true, force: true })
})

const PROGRAM = 'process.stdout.write(require("node:fs").readFileSync(process.argv[1]))'

const USERS = [
  ['of_file', 'from-file'],
  ['of_env', 'from-env'],
  ['of_json', 'from-json'],
  ['of_program', 'from-program'],
  ['of_aws', 'from-aws'],
] as const

async function print(password: string): Promise<void> {
  const file = join(folder, 'printed.json')
  await writeFile(`${file}.new`, JSON.stringify({ username: 'of_program', password }))
  await rename(`${file}.new`, file)
}

async function ask(user: string, password: string): Promise<unknown> {
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port: house.port, user, password, database: 'postgres' },
    connectionTimeoutMillis: 60_000,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query('select current_user::text as name')).rows[0]
  } finally {
    await client.end()
  }
}

const closeServers = (user: string) =>
  house.ask(`select pg_terminate_backend(pid) from pg_stat_activity where usename = '${user}'`)

const told = () => house.app.snapshot().events.map(({ text }) => text)

test.each(USERS)('%s comes in, with the password of its source on both sides', async (user, pw) => {
  expect(await ask(user, pw)).toEqual({ name: user })
  await expect(ask(user, 'weir')).rejects.toThrow('password authentication failed')
})

test('a file that others may read is warned of, with what to do', () => {
  const file = join(folder, 'file.json')
  expect(warned).toContain(
    `${file} holds secrets and everybody on this machine may read it: chmod 600 ${file}`,
  )
})

test('what a program prints is taken over when it prints another', async () => {
  await house.ask("alter role of_program password 'printed anew'")
  await print('printed anew')
  await until(() => told().some((text) => /^secrets of command .*: of_program$/.test(text)), 60_000)
  await closeServers('of_program')
  expect(await ask('of_program', 'printed anew')).toEqual({ name: 'of_program' })
  expect(await ask('of_program', 'from-program')).toEqual({ name: 'of_program' })
})

test('a rotation of AWS passes through its labels and cuts nobody off', async () => {
  const aws = () => told().filter((text) => text.startsWith('secrets of secret s of AWS')).length
  const noticed = async (change: () => void): Promise<void> => {
    const before = aws()
    change()
    await until(() => aws() > before, 60_000, { what: 'the labels to be read' })
  }
  // createSecret: there is a new password, which only nodes are to know.
  await noticed(() => {
    versions.AWSPENDING = { id: '2', password: 'next', created: Date.now() / 1_000 }
  })
  await expect(ask('of_aws', 'next')).rejects.toThrow('password authentication failed')
  // setSecret: the node has it, clients do not.
  await house.ask("alter role of_aws password 'next'")
  await closeServers('of_aws')
  expect(await ask('of_aws', 'from-aws')).toEqual({ name: 'of_aws' })
  // finishSecret: the labels move.
  await noticed(() => {
    versions.AWSPREVIOUS = versions.AWSCURRENT!
    versions.AWSCURRENT = versions.AWSPENDING!
  })
  expect(await ask('of_aws', 'next')).toEqual({ name: 'of_aws' })
  expect(await ask('of_aws', 'from-aws')).toEqual({ name: 'of_aws' })
})
