import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandSource } from '../../../src/auth/command-source.ts'
import { managerSource } from '../../../src/auth/manager-source.ts'
import { environmentSource, passwordSource } from '../../../src/auth/secret-source.ts'
import { messageOf } from '../../../src/core/errors.ts'

async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return messageOf(error)
  }
  throw new Error('nothing was thrown')
}

describe('a variable', () => {
  it('may hold what a file holds', async () => {
    const env = { APP: '[{"username":"a","password":"1"},{"username":"b","password":"2"}]' }
    expect(await environmentSource('APP', env).read()).toMatchObject([
      { username: 'a', password: '1' },
      { username: 'b', password: '2' },
    ])
  })

  it('may hold one password as it is', async () => {
    const source = passwordSource('app', 'APP_PASSWORD', { APP_PASSWORD: '{"s3 cret' })
    expect(await source.read()).toMatchObject([{ username: 'app', password: '{"s3 cret' }])
  })

  it('that is missing, empty or torn is named, and nothing of it is quoted', async () => {
    const said = async (env: Record<string, string>) =>
      failureOf(environmentSource('APP', env).read())
    expect(await said({})).toBe('environment variable APP is not set')
    expect(await said({ APP: '' })).toBe('environment variable APP is empty')
    expect(await said({ APP: '{"username":"a","password":"s3cret"' })).toBe(
      'environment variable APP is not valid JSON',
    )
  })
})

describe('a command', () => {
  const run = (...argv: string[]) =>
    commandSource({ argv, timeoutMs: 30_000, refreshMs: 60_000 }).read()
  const node = (text: string, ...args: string[]) => run(process.execPath, '-e', text, ...args)

  it('prints secrets, and gets its arguments as they are', async () => {
    const text = 'console.log(JSON.stringify({ username: "app", password: process.argv[1] }))'
    expect(await node(text, '$(id) "; `x`')).toMatchObject([
      { username: 'app', password: '$(id) "; `x`' },
    ])
  })

  it('that fails is told of without a word of what it said', async () => {
    const said = await failureOf(
      node('console.error("s3cret"); console.log("s3cret"); process.exit(3)'),
    )
    expect(said).toBe(`command ${process.execPath} ended with status 3`)
    expect(await failureOf(node('console.log("s3cret")'))).toBe(
      `the output of command ${process.execPath} is not valid JSON`,
    )
    expect(await failureOf(run('/nonexistent/program', 's3cret'))).toBe(
      'command /nonexistent/program cannot be run: ENOENT',
    )
  })

  it('that takes too long is ended', async () => {
    const argv = [process.execPath, '-e', 'setInterval(() => {}, 1000)']
    const source = commandSource({ argv, timeoutMs: 300, refreshMs: 60_000 })
    expect(await failureOf(source.read())).toBe(
      `command ${process.execPath} took longer than 300 ms`,
    )
  })

  it('that prints without end is ended', async () => {
    const flood = 'const s = "x".repeat(1 << 20); for (;;) require("node:fs").writeSync(1, s)'
    expect(await failureOf(node(flood))).toBe(`command ${process.execPath} printed more than 4 MiB`)
  })
})

describe('AWS Secrets Manager', () => {
  /** What it answers for each label, as the service does. */
  let versions: Record<string, { id: string; created: number; text: string }>
  let asked: { target: string; body: Record<string, string> }[]
  let server: Server
  let endpoint: string
  const before = { ...process.env }

  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, string>
        asked.push({ target: String(request.headers['x-amz-target']), body })
        const version = versions[String(body.VersionStage)]
        response.setHeader('content-type', 'application/x-amz-json-1.1')
        if (version === undefined) {
          response.statusCode = 400
          response.end('{"__type":"ResourceNotFoundException","message":"no such label"}')
          return
        }
        const { id, created, text } = version
        const found = { Name: 'app', VersionId: id, CreatedDate: created, SecretString: text }
        response.end(JSON.stringify(found))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    process.env.AWS_ACCESS_KEY_ID = 'AKIATEST'
    process.env.AWS_SECRET_ACCESS_KEY = 'test'
  })

  afterAll(async () => {
    process.env = before
    await new Promise((resolve) => server.close(resolve))
  })

  const secret = (password: string) =>
    JSON.stringify({ username: 'app', password, engine: 'postgres', host: 'db', port: 5432 })

  const read = (now: number) => {
    asked = []
    const options = { secretId: 'app', region: 'eu-central-1', endpoint, refreshMs: 60_000 }
    return managerSource({ ...options, windowMs: 600_000, now: () => now }).read()
  }

  it('is asked by its own client, and gives the current version', async () => {
    versions = { AWSCURRENT: { id: '1', created: 1_000, text: secret('one') } }
    expect(await read(2_000_000)).toMatchObject([{ username: 'app', password: 'one' }])
    expect(asked[0]).toEqual({
      target: 'secretsmanager.GetSecretValue',
      body: { SecretId: 'app', VersionStage: 'AWSCURRENT' },
    })
  })

  it('in a rotation gives nodes the pending version too', async () => {
    versions = {
      AWSCURRENT: { id: '1', created: 1_000, text: secret('one') },
      AWSPENDING: { id: '2', created: 2_000, text: secret('two') },
    }
    const [entry] = await read(2_000_000)
    expect(entry?.also).toEqual([{ password: 'two', until: Infinity, doors: false }])
  })

  it('after a rotation gives the previous one as long as the window is open', async () => {
    versions = {
      AWSCURRENT: { id: '2', created: 2_000, text: secret('two') },
      // The label stays where it was until the next rotation.
      AWSPENDING: { id: '2', created: 2_000, text: secret('two') },
      AWSPREVIOUS: { id: '1', created: 1_000, text: secret('one') },
    }
    const until = 2_000_000 + 600_000
    const [entry] = await read(until - 1)
    expect(entry).toMatchObject({
      password: 'two',
      also: [{ password: 'one', until, doors: true }],
    })
    const [later] = await read(until)
    expect(later?.also).toBeUndefined()
  })

  it('that has no such secret, or gives no secret, is told of without quoting', async () => {
    versions = {}
    expect(await failureOf(read(0))).toBe(
      'secret app of AWS Secrets Manager is not there, or has no version AWSCURRENT',
    )
    versions = { AWSCURRENT: { id: '1', created: 1, text: 's3cret' } }
    expect(await failureOf(read(0))).toBe('secret app of AWS Secrets Manager is not valid JSON')
  })

  it('without its package says what to install', async () => {
    const missing = Object.assign(new Error('Cannot find package'), {
      code: 'ERR_MODULE_NOT_FOUND',
    })
    const options = { secretId: 'app', region: undefined, endpoint, refreshMs: 1, windowMs: 0 }
    const source = managerSource({ ...options, now: () => 0 }, () => Promise.reject(missing))
    await expect(source.read()).rejects.toMatchObject({
      code: 'WEIR_SECRETS',
      hint: 'npm install @aws-sdk/client-secrets-manager',
    })
  })
})
