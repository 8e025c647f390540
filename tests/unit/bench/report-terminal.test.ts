import { expect, test } from 'vitest'
import type { Standing } from '../../../src/bench/failover/progress.ts'
import { summaryText } from '../../../src/bench/failover/report/summary.ts'
import {
  roundLine,
  standingLine,
  terminalProgress,
} from '../../../src/bench/failover/report/terminal.ts'
import type { Round } from '../../../src/bench/failover/result.ts'
import { madeUpResult } from './report-fixture.ts'

const result = madeUpResult()
const [round] = result.rounds as [Round]

const standing: Standing = {
  subject: 'weir',
  fault: 'kill',
  round: 3,
  rounds: 20,
  phase: 'after',
  answering: 40,
  clients: 80,
}

function screen(isTTY: boolean) {
  let text = ''
  return { write: (more: string) => (text += more), isTTY, columns: 100, text: () => text }
}

test('on a terminal one line is rewritten, and only when it changes', () => {
  const out = screen(true)
  const progress = terminalProgress(out)
  progress.at(standing)
  progress.at(standing)
  progress.at({ ...standing, answering: 80 })
  expect(out.text().split('\r\x1b[K').slice(1)).toEqual([
    'kill 3/20 weir       after        [==========..........] 40 of 80 answering',
    'kill 3/20 weir       after        [====================] 80 of 80 answering',
  ])
})

test('a line that stays takes the place of the live one, which comes back beneath', () => {
  const out = screen(true)
  const progress = terminalProgress(out)
  progress.at(standing)
  const live = standingLine(standing, 99)
  progress.say('node-2 is promoted')
  expect(out.text().endsWith(`\r\x1b[Knode-2 is promoted\n${live}`)).toBe(true)
  progress.ended(round)
  expect(out.text().endsWith(`\r\x1b[K${roundLine(round)}\n`)).toBe(true)
})

test('where nobody watches there are only lines that stay', () => {
  const out = screen(false)
  const progress = terminalProgress(out)
  progress.at(standing)
  progress.say('starting the lab')
  progress.ended(round)
  expect(out.text()).toBe(`starting the lab\n${roundLine(round)}\n`)
})

test('a round says its gap, its outage and what was lost', () => {
  expect(roundLine(round)).toMatch(/^kill {2}1 weir {7}gap {2}\d+ ms {2}outage {2}\d+ ms {2}errors/)
  const lost = { ...round, verdict: { ...round.verdict, lost: 2, duplicates: 1 } }
  expect(roundLine(lost)).toMatch(/2 writes LOST {2}1 duplicate$/)
  expect(roundLine({ ...round, invalid: 'no lab' })).toBe('kill  1 weir       void: no lab')
})

test('a narrow terminal cuts the live line, and nothing can move the cursor', () => {
  expect(standingLine(standing, 30)).toHaveLength(30)
  const evil = { ...standing, subject: 'a\x1b[2Jb' }
  expect(standingLine(evil, 80)).not.toContain('\x1b')
  expect(roundLine({ ...round, invalid: 'x\r\ny' })).toContain('x??y')
})

test('the table at the end has a line for each subject and each expectation', () => {
  const lines = summaryText(result).split('\n')
  expect(lines[1]).toBe(
    'Writer killed (40 writers, 12 transactions, 24 readers, 4 listeners, 80 idle clients)',
  )
  const weir = lines.find((line) => line.startsWith('weir '))
  expect(weir).toMatch(/^weir +10 +\d+ ms \/ \d+ ms/)
  expect(lines.find((line) => line.startsWith('direct '))).toContain('9 (1 void)')
  const direct = lines.find((line) => line.startsWith('  direct: '))
  expect(direct).toMatch(/^ {2}direct: \S+ × \S+ \([^)]+\), .*, 1 other code$/)
  expect(lines).toContain('met  lost=0  weir, kill: 0')
  expect(summaryText(result)).not.toContain('\x1b')
  expect(summaryText(result, { colour: true })).toContain('\x1b[32mmet')
})
