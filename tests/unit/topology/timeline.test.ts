import { expect, test } from 'vitest'
import { MILESTONES as MEASURED } from '../../../src/bench/failover/result.ts'
import {
  ARROWS,
  arrowsOf,
  type Failover,
  FailoverTimeline,
  MILESTONES,
  type Trouble,
} from '../../../src/topology/timeline.ts'
import { asReader, asWriter, Story } from './nodes.ts'

/** A story whose timeline is told everything as the app does, at the moments of the story. */
function told(nodes = 3) {
  const story = new Story(nodes)
  const troubles: Trouble[] = []
  const calmed: string[] = []
  const reached: string[] = []
  let failover: Failover | undefined
  let lastAnswer: number | undefined
  const timeline = new FailoverTimeline({
    lastAnswerOf: () => lastAnswer,
    troubled: (trouble) => troubles.push(trouble),
    calmed: ({ writer }) => calmed.push(writer),
    reached: (milestone, now) => {
      reached.push(milestone)
      failover = now
    },
  })
  const tell = (): void => timeline.changed(story.topology, story.at)
  return {
    timeline,
    troubles,
    calmed,
    reached,
    get failover() {
      return failover
    },
    set lastAnswer(at: number) {
      lastAnswer = at
    },
    answers: (node: number, as: 'writer' | 'reader', line = 1) => {
      const answer = as === 'writer' ? asWriter({ timeline: line }) : asReader({ timeline: line })
      story.answers(node, answer)
      timeline.heard(`node-${node}`, answer.inRecovery, story.at)
      tell()
      return story.at
    },
    fails: (node: number) => {
      story.fails(node, 'refused')
      tell()
      return story.at
    },
    passes: (ms: number) => {
      story.at += ms
    },
  }
}

test('the words are those of the instrument', () => {
  expect(MILESTONES).toEqual(MEASURED)
})

test('a writer that dies and is replaced is told step by step', () => {
  const s = told()
  const alive = s.answers(1, 'writer')
  s.answers(2, 'reader')
  s.answers(3, 'reader')
  const suspected = s.fails(1)
  const down = s.fails(1)
  const reading = s.answers(3, 'reader')
  s.passes(40)
  const promoted = s.answers(3, 'writer', 2)
  s.timeline.retired(promoted + 1)
  s.timeline.borrowed(promoted + 5)
  s.timeline.replied(promoted + 8)
  expect(s.failover).toEqual({
    number: 1,
    from: 'node-1',
    to: 'node-3',
    promotedNotBefore: reading,
    promotedTold: false,
    at: {
      fault: alive,
      suspected,
      down,
      promoted,
      observed: promoted,
      retired: promoted + 1,
      'first-borrow': promoted + 5,
      'first-reply': promoted + 8,
    },
  })
  expect(s.reached).toEqual(['observed', 'retired', 'first-borrow', 'first-reply'])
  expect(s.troubles).toHaveLength(1)
})

test('only the first borrow and the first reply count', () => {
  const s = told(2)
  s.answers(1, 'writer')
  s.answers(2, 'reader')
  s.fails(1)
  s.answers(2, 'writer', 2)
  s.timeline.borrowed(5_000)
  s.timeline.borrowed(6_000)
  expect(s.failover?.at['first-borrow']).toBe(5_000)
})

test('an answer to a client is a later sign of life than the last probe', () => {
  const s = told(2)
  const probed = s.answers(1, 'writer')
  s.answers(2, 'reader')
  s.passes(300)
  s.lastAnswer = probed + 290
  s.fails(1)
  expect(s.troubles[0]?.at.fault).toBe(probed + 290)
})

test('a sign of life from after the suspicion does not move the fault behind it', () => {
  const s = told(2)
  s.answers(1, 'writer')
  s.answers(2, 'reader')
  s.lastAnswer = 1_000_000
  const suspected = s.fails(1)
  expect(s.troubles[0]?.at).toEqual({ fault: suspected, suspected })
})

test('trouble that passes was none, and the next one begins anew', () => {
  const s = told(2)
  s.answers(1, 'writer')
  s.answers(2, 'reader')
  s.fails(1)
  const alive = s.answers(1, 'writer')
  expect(s.calmed).toEqual(['node-1'])
  expect(s.timeline.trouble).toBeUndefined()
  s.passes(10_000)
  const suspected = s.fails(1)
  s.answers(2, 'writer', 2)
  expect(s.failover?.at).toMatchObject({ fault: alive, suspected })
  expect(s.failover?.number).toBe(1)
})

test('where a reader is promoted beside a writer that is well, nobody saw a fault', () => {
  const s = told(2)
  s.answers(1, 'writer')
  s.answers(2, 'reader')
  const promoted = s.answers(2, 'writer', 2)
  s.answers(1, 'writer')
  expect(s.failover).toMatchObject({ from: 'node-1', to: 'node-2' })
  expect(s.failover?.at).toEqual({ down: promoted, promoted, observed: promoted })
})

test('a writer fenced by the timeline of a reader is no fault either', () => {
  const s = told(3)
  s.answers(1, 'writer')
  s.answers(2, 'reader')
  s.answers(3, 'reader')
  const fenced = s.answers(3, 'reader', 2)
  const promoted = s.answers(2, 'writer', 2)
  expect(s.failover?.at).toEqual({ down: fenced, promoted, observed: promoted })
})

test('promoted is the first answer as a writer, however late it is believed', () => {
  const s = told(2)
  s.answers(1, 'writer')
  const reading = s.answers(2, 'reader')
  s.fails(1)
  // Nobody knows its timeline to be higher yet, and the old one may still come back.
  const promoted = s.answers(2, 'writer')
  s.answers(2, 'writer')
  const observed = s.fails(1)
  expect(s.failover?.at).toMatchObject({ promoted, observed })
  expect(s.failover?.promotedNotBefore).toBe(reading)
})

test('one that took writes long before the trouble was not promoted by it', () => {
  const s = told(2)
  s.answers(1, 'writer', 2)
  s.answers(2, 'writer', 1)
  s.passes(10_000)
  s.answers(1, 'writer', 2)
  s.fails(1)
  s.fails(1)
  s.answers(2, 'writer', 3)
  expect(s.failover?.at.observed).toBeDefined()
  expect(s.failover?.at.promoted).toBeUndefined()
  expect(s.failover?.promotedNotBefore).toBeUndefined()
})

test('the first writer of all is no failover', () => {
  const s = told(2)
  s.answers(2, 'reader')
  s.answers(1, 'writer')
  expect(s.failover).toBeUndefined()
  s.timeline.retired(9)
  expect(s.reached).toEqual([])
})

test('arrows join neighbours that are known and in order, and the whole', () => {
  expect(ARROWS).toEqual([
    'fault_suspected',
    'suspected_down',
    'down_promoted',
    'promoted_observed',
    'observed_retired',
    'retired_first_borrow',
    'first_borrow_first_reply',
    'fault_first_reply',
  ])
  const at = { fault: 10, suspected: 15, promoted: 40, observed: 39, 'first-reply': 60 }
  expect(arrowsOf({ at, promotedTold: true })).toEqual([
    { arrow: 'fault_suspected', ms: 5 },
    { arrow: 'fault_first_reply', ms: 50 },
  ])
})

test('how late a promotion was seen is not known where nobody told when it was', () => {
  const at = { promoted: 40, observed: 41, retired: 43 }
  const retired = { arrow: 'observed_retired', ms: 2 }
  expect(arrowsOf({ at, promotedTold: false })).toEqual([retired])
  const seen = { arrow: 'promoted_observed', ms: 1 }
  expect(arrowsOf({ at, promotedTold: true })).toEqual([seen, retired])
})
