/** A storm's figures in words: the table, the line, the page, the flags. */
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { cameText, cpuText, memoryText } from '../../../../src/bench/storm/report/figures.ts'
import { stormHtml } from '../../../../src/bench/storm/report/html.ts'
import { summaryText } from '../../../../src/bench/storm/report/summary.ts'
import { standingLine, terminalStorm } from '../../../../src/bench/storm/report/terminal.ts'
import { memoryOfAClient, viewsOf } from '../../../../src/bench/storm/report/view.ts'
import { addressOf } from '../../../../src/bench/storm/target-address.ts'
import { clientsThatFit, tooFewFiles } from '../../../../src/cli/storm-files.ts'
import { declareStorm, type StormFlags, stormPlanOf } from '../../../../src/cli/storm-options.ts'
import { DIRECT, madeUpStorm, madeUpTarget } from './fixture.ts'

/** Thousands stand apart by a narrow space. */
const plain = (text: string): string => text.replaceAll('\u202f', ' ')

describe('The table at the end', () => {
  it('has a line for each target, its errors in the server’s words, and what was expected', () => {
    const text = plain(summaryText(madeUpStorm()))
    expect(text).toContain('97 of 5 000')
    expect(text).toMatch(/weir +5 000 of 5 000 +0 /)
    expect(text).toContain('direct: 4 903 × 53300 too many connections: sorry, too <many> clients')
    expect(text).toContain('met  errors=0  weir: 0')
    expect(text).toContain('MISSED  first_reply_p99<10ms  weir: 80 ms')
  })

  it('tells what could not be measured, and what the instrument says against itself', () => {
    const broken = madeUpTarget({ target: 'pgbouncer', failure: 'PgBouncer ended at once' })
    const instrument = {
      ...madeUpTarget().instrument,
      warnings: [{ kind: 'late', text: 'the instrument was late' }] as const,
    }
    const text = summaryText(madeUpStorm([broken, madeUpTarget({ instrument })]))
    expect(text).toContain('pgbouncer: PgBouncer ended at once')
    expect(text).toMatch(/pgbouncer +not measured +–/)
    expect(text).toContain('mind, weir: the instrument was late')
  })

  it('lets no control character of a server through', () => {
    const texts = { '53300': 'no\u001b[31m more' }
    const text = summaryText(madeUpStorm([{ ...DIRECT, texts }]))
    expect(text).toContain('no?[31m more')
  })
})

describe('The line that goes along', () => {
  const standing = {
    ...({ target: 'weir', phase: 'arriving', at: 2_500, until: 25_000, clients: 5_000 } as const),
    ...{ open: 2_500, answered: 2_480, errors: 0, perSecond: 1_200, server: 20 },
  }

  it('says how many are there', () => {
    expect(plain(standingLine(standing, 200))).toBe(
      'weir      arriving  2.5 s [==========..........] 2 500 there, 2 480 answered, 0 errors, 20 on the node, 1 200/s',
    )
    expect(standingLine(standing, 20)).toHaveLength(20)
  })

  it('is written only where somebody watches', () => {
    const written: string[] = []
    const out = { write: (text: string) => written.push(text), isTTY: false }
    const progress = terminalStorm(out)
    progress.at(standing)
    expect(written).toEqual([])
    progress.ended(DIRECT)
    expect(plain(written.join(''))).toContain('97 of 5 000 answered, 4 903 errors')
  })
})

describe('The page', () => {
  it('is about weir, whatever came first, and holds its own figures as JSON', () => {
    expect(viewsOf(madeUpStorm()).map(({ result }) => result.target)).toEqual(['weir', 'direct'])
    const page = stormHtml(madeUpStorm())
    const [, json] = /id="weir-storm">(.*?)<\/script>/s.exec(page) ?? []
    expect(JSON.parse(json ?? '').targets[0].errors).toEqual({ '53300': 4_903 })
    expect(page).toContain('sorry, too &lt;many&gt; clients already')
  })

  it('is made of whatever could be measured', () => {
    const failed = madeUpTarget({
      ...{ failure: 'it did not start', spans: {}, moments: [], sights: [] },
      ...{ server: undefined, proxy: undefined, node: undefined, overflows: undefined },
    })
    expect(stormHtml(madeUpStorm([failed]))).toContain('could not be measured')
    expect(stormHtml(madeUpStorm([]))).toContain('<h1>')
  })

  it('shows the steps of a storm that was raised', () => {
    const limit = { target: 'weir', held: 100, broke: 150, verdict: 'weir broke at 150 clients' }
    const step = { target: 'weir', clients: 100, rate: 50, warnings: [] }
    const expectations = [{ text: 'errors=0', target: 'weir', actual: 3, met: false }]
    const steps = [{ ...step, expectations }]
    const page = stormHtml({ ...madeUpStorm(), limits: [{ ...limit, steps }] })
    expect(page).toContain('weir broke at 150 clients')
    expect(page).toContain('errors=0: 3')
  })
})

describe('Figures', () => {
  it('have their unit', () => {
    const memory = [0, 900, 9_700, 14e6, 1.5e9].map(memoryText)
    expect(memory).toEqual(['0', '0.9 KiB', '9.5 KiB', '13 MiB', '1.4 GiB'])
    expect([0.416, 12.34].map(cpuText)).toEqual(['0.42 s', '12.3 s'])
    expect(cameText('proxy_memory<1GiB', 14e6)).toBe('13 MiB')
    expect(cameText('errors=0', 4)).toBe('4')
    expect(cameText('statement_p99<1s', undefined)).toBe('not measured')
  })

  it('tell the memory of a client by what grew', () => {
    expect(memoryOfAClient(madeUpTarget())).toBe(50e6 / 5_000)
    expect(memoryOfAClient(DIRECT)).toBeUndefined()
  })
})

describe('Flags', () => {
  const flags = (...argv: string[]): StormFlags => {
    const command = declareStorm(new Command('storm')).exitOverride()
    command.configureOutput({ writeErr: () => {} })
    command.parse(argv, { from: 'user' })
    return command.opts<StormFlags>()
  }

  it('come to a plan', () => {
    const given = flags('--clients', '300', '--rate', '50/s', '--hold', '2s', '--every', '250ms')
    expect(stormPlanOf(given)).toMatchObject({
      clients: 300,
      rate: 50,
      holdMs: 2_000,
      everyMs: 250,
    })
    expect(stormPlanOf(flags())).toMatchObject({ clients: 5_000, rate: 1_000, holdMs: 20_000 })
    expect(stormPlanOf(flags('--until-fail')).holdMs).toBe(5_000)
  })

  it('name targets of the run and of others', () => {
    const url = 'postgres://app:secret@db/app'
    const { target } = flags('--target', 'direct,weir', '--target', `other=${url}`)
    expect(target).toEqual(['direct', 'weir', { name: 'other', url }])
  })

  it('that are wrong say what would be right', () => {
    const wrong = (...argv: string[]) => expect(() => flags(...argv), argv.join(' '))
    wrong('--target', 'wier').toThrow('is none of direct, weir, pgbouncer')
    wrong('--target', 'x=http://a').toThrow('write it as postgres://')
    wrong('--target', 'weir', '--target', 'weir').toThrow('two targets called weir')
    wrong('--rate', 'fast').toThrow('Write it as 1000/s')
    wrong('--expect', 'eror=0').toThrow('there are connect_p50')
    wrong('--clients', '0').toThrow('above 0')
    wrong('--shape', 'drizzle').toThrow('burst, ramp, waves, reconnect')
  })
})

describe('An address', () => {
  it('is what libpq would make of the URL', () => {
    expect(addressOf('postgresql://a%40b:c%2Fd@[::1]/?sslmode=require')).toEqual({
      ...{ host: '::1', port: 5432, user: 'a@b', password: 'c/d', database: 'a@b', tls: 'require' },
    })
    expect(addressOf('postgres://a@h:1/d').tls).toBe('prefer')
    expect(addressOf('postgres://a@h:1/d?sslmode=disable', 'require').tls).toBe('require')
  })

  it('that cannot be used is refused', () => {
    expect(() => addressOf('postgres://h:1/d')).toThrow('names no user')
    expect(() => addressOf('postgres://a@h/d?sslmode=verify-full')).toThrow('is none of disable')
  })
})

describe('Open files', () => {
  it('that do not suffice are refused with what to type', () => {
    expect(tooFewFiles(5_000, 1_024)).toContain('run "ulimit -n 5200" in this shell first')
    expect(tooFewFiles(5_000, 1_024)).toContain('--clients 824')
    expect(tooFewFiles(5_000, 20_000)).toBeUndefined()
    expect(tooFewFiles(5_000, undefined)).toBe(tooFewFiles(5_000))
    expect(clientsThatFit(1_024)).toBe(824)
  })
})
