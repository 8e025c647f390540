import { Command } from 'commander'
import { afterEach, expect, test, vi } from 'vitest'
import { registerConfig } from '../../../src/cli/config.ts'
import { LEAST, scratchFile } from './scratch-file.ts'

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

function run(...words: string[]): { out: string; err: string; code: unknown } {
  const out: string[] = []
  const err: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0)
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0)
  const program = new Command('weir')
  registerConfig(program)
  program.parse(['config', ...words], { from: 'user' })
  vi.restoreAllMocks()
  return { out: out.join(''), err: err.join(''), code: process.exitCode }
}

test('check says that a right file is right', () => {
  const file = scratchFile(LEAST)
  expect(run('check', file)).toEqual({
    out: `${file}: ok (1 node, 2 endpoints)\n`,
    err: '',
    code: undefined,
  })
})

test('check looks at every file and ends with code 2 when one is wrong', () => {
  const right = scratchFile(LEAST)
  const wrong = scratchFile(`${LEAST}log: { level: loud }\nadmin: { port: 0 }\n`)
  const { out, err, code } = run('check', wrong, right)
  expect(code).toBe(2)
  expect(out).toBe(`${right}: ok (1 node, 2 endpoints)\n`)
  expect(err.split('\n')).toEqual([
    `${wrong}:3:15  log.level: got "loud", want one of trace, debug, info, warn, error, silent`,
    `${wrong}:4:16  admin.port: got 0, want a whole number from 1 to 65535`,
    '',
  ])
})

test('check --json gives a program the same', () => {
  const wrong = scratchFile(`${LEAST}log: { level: loud }\n`)
  const { out, code } = run('check', '--json', wrong)
  expect(code).toBe(2)
  expect(JSON.parse(out)).toEqual([
    {
      file: wrong,
      ok: false,
      problems: [
        {
          file: wrong,
          line: 3,
          column: 15,
          setting: 'log.level',
          got: '"loud"',
          want: 'one of trace, debug, info, warn, error, silent',
          message: 'log.level: got "loud", want one of trace, debug, info, warn, error, silent',
        },
      ],
    },
  ])
})

test('explain prints text or JSON, and code 2 with advice for an unknown setting', () => {
  expect(run('explain', 'admin.port').out).toContain('default      6480')
  expect(JSON.parse(run('explain', 'admin.port', '--json').out)).toMatchObject({ default: '6480' })
  expect(run('explain', 'admin.prot')).toEqual({
    out: '',
    err: 'weir config explain: no setting is called admin.prot; did you mean admin.port?\n',
    code: 2,
  })
})

test('schema prints a JSON schema', () => {
  expect(JSON.parse(run('schema').out)).toMatchObject({ type: 'object', properties: { nodes: {} } })
})
