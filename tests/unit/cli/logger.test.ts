import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { createLogger, type LoggerOptions } from '../../../src/cli/logger.ts'

function capture(isTTY: boolean): { out: Writable & { isTTY: boolean }; text: () => string } {
  let text = ''
  const writable = new Writable({
    write(chunk, _, done) {
      text += chunk
      done()
    },
  })
  return { out: Object.assign(writable, { isTTY }), text: () => text }
}

function logged(
  write: (log: ReturnType<typeof createLogger>) => void,
  options: Partial<LoggerOptions> & { isTTY?: boolean } = {},
): string {
  const { out, text } = capture(options.isTTY === true)
  write(createLogger({ level: 'info', format: 'auto', out, ...options }))
  return text()
}

describe('the log', () => {
  test('is one JSON object a line where nobody looks', () => {
    const text = logged((log) => log.child({ node: 'node-1' }).info({ lagMs: 3 }, 'is the writer'))
    expect(text.endsWith('\n')).toBe(true)
    expect(JSON.parse(text)).toMatchObject({
      level: 'info',
      node: 'node-1',
      lagMs: 3,
      msg: 'is the writer',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    })
  })

  test('is a readable line on a terminal', () => {
    const text = logged((log) => log.warn({ node: 'node-1' }, 'is suspect'), { isTTY: true })
    expect(text).toContain('is suspect')
    expect(text).toContain('WARN')
    expect(text.trim().split('\n')).toHaveLength(1)
    expect(() => JSON.parse(text)).toThrow()
  })

  test('keeps to the format it was told', () => {
    const json = logged((log) => log.info({}, 'x'), { isTTY: true, format: 'json' })
    expect(JSON.parse(json).msg).toBe('x')
    const pretty = logged((log) => log.info({}, 'x'), { format: 'pretty' })
    expect(() => JSON.parse(pretty)).toThrow()
    expect(pretty, 'no colour into a file').not.toContain('\x1b')
  })

  test('leaves out what is below its level', () => {
    expect(logged((log) => log.debug({}, 'x'))).toBe('')
    expect(logged((log) => log.error({}, 'x'), { level: 'silent' })).toBe('')
  })

  test.each(['json', 'pretty'] as const)('prints no secret as %s, wherever it stands', (format) => {
    const secret = 'hunter2'
    const text = logged(
      (log) => {
        log.info({ password: secret }, 'top')
        log.info({ user: { name: 'weir', password: secret, token: secret } }, 'one down')
        log.info({ auth: { entry: { secret } } }, 'two down')
        log.info({ entries: [{ username: 'weir', password: secret }] }, 'in a list')
        log.child({ password: secret }).info({}, 'in a child')
      },
      { format },
    )
    expect(text).toContain('two down')
    expect(text).toContain('in a child')
    expect(text).not.toContain(secret)
  })

  test('shows what a stranger sent as it is, on one line, and lets it colour nothing', () => {
    const user = 'eve\nINFO: all is well\r\u001b[2J\u001b[31m\u009b\u202e\u2028'
    for (const format of ['json', 'pretty'] as const) {
      const text = logged((log) => log.warn({ user }, `client refused: ${user}`), { format })
      expect(text.trimEnd().split(/\r\n|[\n\r\u2028]/), format).toHaveLength(1)
      expect(text.trimEnd(), format).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202e]/u)
      expect(text, format).toContain('all is well')
    }
    const json = logged((log) => log.warn({ user }, 'x'), { format: 'json' })
    expect(JSON.parse(json).user).toBe(user)
    const pretty = logged((log) => log.warn({}, user), { format: 'pretty' })
    expect(pretty).toContain('eve\\nINFO: all is well\\r\\u001b[2J')
  })
})
