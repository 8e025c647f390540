/** Reloads of one process: one after the other, and what is said of one that fails. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type App, startApp } from '../../src/app.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Settings } from '../../src/config/settings.ts'
import { silentLog } from '../../src/core/log.ts'
import { FRONT_PORTS } from '../support/front.ts'
import { freePorts } from '../support/house.ts'

const directory = mkdtempSync(join(tmpdir(), 'weir-reload-'))
const at = (name: string): string => join(directory, name)
const APP = { username: 'app', password: 'p' }
let app: App
let port: number

function settingsWith(secrets: readonly unknown[], more: object = {}): Settings {
  const file = at('weir.yaml')
  writeFileSync(
    file,
    JSON.stringify({
      nodes: [{ name: 'a', host: '127.0.0.1', port: port + 1 }],
      endpoints: [{ name: 'writer', kind: 'writer', port }],
      admin: { enabled: false },
      workers: 1,
      auth: { secrets },
      audit: { to: 'file' },
      ...more,
    }),
    { mode: 0o600 },
  )
  return loadSettings({ file }).settings
}

/** What somebody is told who connects and sends no more than a wrong packet. */
function told(): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = ''
    const socket = createConnection(port, '127.0.0.1', () => socket.write('\0\0\0\x08\0\0\0\0'))
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(heard))
  })
}

beforeAll(async () => {
  port = await freePorts(2, FRONT_PORTS)
  const settings = settingsWith([APP])
  app = await startApp({ settings, log: silentLog, version: '0.0.0-test', graceMs: 500 })
})

afterAll(async () => {
  await app?.stop()
  rmSync(directory, { recursive: true, force: true })
})

it('one that takes long does not undo one that came after it', async () => {
  const secret = JSON.stringify(APP)
  const slow = `while [ ! -e "$0" ]; do sleep 0.05; done; echo '${secret}'`
  const command = ['/bin/sh', '-c', slow, at('go')]
  const first = app.reload(settingsWith([{ command, timeout: '30s' }]))
  const second = app.reload(settingsWith([APP], { listen: { deny: ['127.0.0.0/8'] } }))
  writeFileSync(at('go'), '')
  await Promise.all([first, second])
  expect(await told()).toContain('may not use endpoint')
})

it('one that fails says what it had changed before, and is audited', async () => {
  const next = settingsWith([{ env: 'WEIR_TEST_ABSENT' }], { listen: { deny: [] } })
  await expect(app.reload(next)).rejects.toThrow(
    /WEIR_TEST_ABSENT.*taken over before that: audit, admin/s,
  )
  expect(await told()).toContain('may not use endpoint')
  const [, ...lines] = (await readFile(at('audit.log'), 'utf8')).trim().split('\n')
  const changes = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'change')
  expect(changes.at(-1)).toMatchObject({ what: 'settings', outcome: 'failed' })
})

it('one that turns the audit log off is the last thing in it', async () => {
  await app.reload(settingsWith([APP], { audit: { to: 'off' } }))
  const lines = (await readFile(at('audit.log'), 'utf8')).trim().split('\n')
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ event: 'change', what: 'audit', detail: 'off' })
})
