/** The command line of `weir failover`: what flags come to, and what is refused before anything starts. */
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { commandDriver, loginOf, nodeAddress } from '../../../src/cli/failover-commands.ts'
import { declareFlags, type FailoverFlags, planOf } from '../../../src/cli/failover-options.ts'
import { shellWord } from '../../../src/cli/failover-result.ts'

function flags(...argv: string[]): FailoverFlags {
  const command = declareFlags(new Command('failover')).exitOverride()
  command.configureOutput({ writeErr: () => {} })
  command.parse(argv, { from: 'user' })
  return command.opts<FailoverFlags>()
}

describe('The clients of a plan', () => {
  it('are split into halves, thirds and the rest', () => {
    expect(planOf(flags('--clients', '200', '--idle', '800')).clients).toEqual({
      writer: 100,
      reader: 60,
      transaction: 30,
      listener: 10,
      idle: 800,
    })
  })

  it('of a kind that is named have that number, the others their share', () => {
    const { clients } = planOf(flags('--clients', '20', '--listeners', '0', '--writers', '3'))
    expect(clients).toMatchObject({ writer: 3, reader: 6, transaction: 3, listener: 0 })
  })
})

describe('Flags', () => {
  it('take several faults and subjects, and durations with their unit', () => {
    const given = flags('--fault', 'kill,freeze', '--compare', 'direct,pgbouncer', '--after', '2s')
    expect(given).toMatchObject({ fault: ['kill', 'freeze'], compare: ['direct', 'pgbouncer'] })
    expect(planOf(given).afterMs).toBe(2_000)
    expect(flags()).toMatchObject({ fault: ['kill'], compare: [], expect: [], weir: true })
  })

  it('call both ways to stop by one word', () => {
    expect(flags('--fault', 'stop,kill').fault).toEqual(['stop-fast', 'stop-immediate', 'kill'])
  })

  it.each([
    [['--fault', 'earthquake'], /There is no fault "earthquake"/],
    [['--expect', 'gap<1s'], /there is no figure "gap"/],
    [['--rounds', 'many'], /whole number/],
    [['--after', '2'], /duration such as/],
  ])('%j are refused with what would be right', (argv, message) => {
    expect(() => flags(...argv)).toThrow(message)
  })
})

describe('A cluster of the operator', () => {
  it('is named by nodes and a login', () => {
    expect(nodeAddress('a=db1.example.org:5433')).toEqual({
      name: 'a',
      host: 'db1.example.org',
      port: 5433,
    })
    expect(loginOf('app:p@ss:word@orders')).toEqual({
      user: 'app',
      password: 'p@ss:word',
      database: 'orders',
    })
    expect(() => nodeAddress('db1:5432')).toThrow(/--node db1:5432 is not understood/)
    expect(() => loginOf(undefined)).toThrow(/need --login/)
  })

  it('takes no fault for which there is no command', () => {
    const driver = commandDriver([], loginOf('a:b@c'), {}, () => 0)
    expect(driver.faults).not.toContain('freeze')
  })
})

describe('The command in a report', () => {
  it('holds no password', () => {
    expect(shellWord('other=postgres://app:secret@db/app')).toBe("'other=postgres://app:…@db/app'")
    expect(shellWord('app:p@ss:word@orders')).not.toContain('ss:word')
    expect(shellWord('gap_p99<1s')).toBe("'gap_p99<1s'")
    expect(shellWord('--rounds')).toBe('--rounds')
  })
})
