import { describe, expect, it } from 'vitest'
import { asReader, asWriter, Story, spec } from './nodes.ts'

const steady = () => Story.steady(3)

describe('observe', () => {
  it('says of every node what it is when it is first seen', () => {
    const story = new Story(2)
    story.answers(1, asWriter()).answers(2, asReader())
    expect(story.picture).toBe('writer/up reader/up')
    expect(story.said).toEqual([
      'node-1 is up',
      'node-1 became the writer (timeline 1)',
      'node-2 is up as a reader (timeline 1)',
    ])
  })

  it('moves lag and position without a new epoch', () => {
    const story = steady()
    const { epoch } = story.topology
    story.answers(1, asWriter({ lsn: 5000n })).answers(2, asReader({ lsn: 3000n }), 400)
    expect(story.topology.epoch).toBe(epoch)
    expect(story.topology.nodes[1]).toMatchObject({ lsn: 3000n })
    expect(story.topology.nodes[1]!.lagMs).toBeGreaterThanOrEqual(400)
    expect(story.said).toEqual([])
  })

  it('dates a position by when it was asked for, and keeps the date while nobody answers', () => {
    const story = steady().answers(2, asReader({ responseMs: 3.5 }))
    const asked = story.at - 4
    expect(story.topology.nodes[1]).toMatchObject({ positionAt: asked })
    expect(story.fails(2, 'other').topology.nodes[1]).toMatchObject({ positionAt: asked })
    story.answers(2, asReader({ lsn: undefined }))
    expect(story.topology.nodes[1]).toMatchObject({ lsn: undefined, positionAt: undefined })
  })

  it('ignores nodes it does not watch', () => {
    const story = steady()
    const before = story.topology
    story.answers(9, asWriter({ timeline: 9 })).fails(9, 'refused', 3)
    expect(story.picture).toBe('writer/up reader/up reader/up')
    expect(story.topology.epoch).toBe(before.epoch)
  })

  it('names the writer only when everybody was heard or has failed', () => {
    const story = new Story(3).answers(1, asWriter({ timeline: 1 })).fails(3, 'refused')
    expect(story.picture).toBe('unknown/up unknown/unknown unknown/suspect')
    story.answers(2, asWriter({ timeline: 2 }))
    expect(story.picture).toBe('unknown/down writer/up unknown/suspect')
    expect(story.said).not.toContain('node-1 became the writer (timeline 1)')
  })

  it('averages response times', () => {
    const story = steady().answers(2, asReader({ responseMs: 5 }))
    expect(story.topology.nodes[1]!.responseMs).toBe(2)
  })

  it('takes a removed node out, a new one in, and keeps what it knows of the rest', () => {
    const story = steady()
    story.see({ kind: 'nodes', at: 2_000, specs: [spec(1), spec(3), spec(4)] })
    expect(story.picture).toBe('writer/up reader/up unknown/unknown')
    expect(story.said).toEqual([
      'node-4 joined the topology (127.0.0.1:5504)',
      'node-2 left the topology',
    ])
  })

  it('forgets a node whose address changed', () => {
    const story = steady()
    story.see({ kind: 'nodes', at: 2_000, specs: [spec(1), spec(2, { port: 9 }), spec(3)] })
    expect(story.picture).toBe('writer/up unknown/unknown reader/up')
  })

  it('forgets timelines when all nodes are exchanged', () => {
    const story = steady().answers(1, asWriter({ timeline: 7 }))
    story.see({ kind: 'nodes', at: 2_000, specs: [spec(8), spec(9)] })
    story.answers(8, asWriter({ timeline: 1 })).answers(9, asReader())
    expect(story.picture).toBe('writer/up reader/up')
  })
})

describe('trouble', () => {
  const cases: [string, (s: Story) => Story, string][] = [
    ['one failed probe: suspect', (s) => s.fails(2, 'refused'), 'reader/suspect'],
    ['two refused: down', (s) => s.fails(2, 'refused', 2), 'reader/down'],
    ['one timeout: suspect', (s) => s.fails(2, 'timeout'), 'reader/suspect'],
    ['two timeouts: suspect', (s) => s.fails(2, 'timeout', 2), 'reader/suspect'],
    ['three timeouts: down', (s) => s.fails(2, 'timeout', 3), 'reader/down'],
    ['two torn connections: suspect', (s) => s.fails(2, 'other', 2), 'reader/suspect'],
    ['three torn connections: down', (s) => s.fails(2, 'other', 3), 'reader/down'],
    ['torn, then refused: down', (s) => s.fails(2, 'other').fails(2, 'refused'), 'reader/down'],
    ['full house, however long: suspect', (s) => s.fails(2, 'busy', 50), 'reader/suspect'],
    ['suspect, then an answer: up', (s) => s.fails(2, 'other').answers(2, asReader()), 'reader/up'],
    [
      'failures apart do not add up',
      (s) => s.fails(2, 'refused').answers(2, asReader()).fails(2, 'refused'),
      'reader/suspect',
    ],
    [
      'down, one good probe: still down',
      (s) => s.fails(2, 'refused', 2).answers(2, asReader()),
      'reader/down',
    ],
    [
      'down, two good probes: up',
      (s) => s.fails(2, 'refused', 2).answers(2, asReader()).answers(2, asReader()),
      'reader/up',
    ],
    [
      'down, flapping: still down',
      (s) =>
        s.fails(2, 'refused', 2).answers(2, asReader()).fails(2, 'other').answers(2, asReader()),
      'reader/down',
    ],
  ]
  it.each(cases)('%s', (_name, happens, picture) => {
    expect(happens(steady()).picture.split(' ')[1]).toBe(picture)
  })

  it('is told with the reason, the number of probes and how long they took', () => {
    const story = steady().fails(2, 'refused', 2, 61)
    expect(story.said).toEqual([
      'node-2 is suspect: connection refused',
      'node-2 is down: connection refused (2 probes failed in 61 ms)',
    ])
    expect(story.topology.nodes[1]!.because).toBe(story.said[1])
    expect(story.topology.nodes[1]!.since).toBe(story.at)
  })

  it('of which the data plane hints makes a node suspect, never down and never another role', () => {
    const story = steady()
    for (let i = 0; i < 20; i++) {
      const hint = { node: 'node-1', kind: 'reset', sign: 'ECONNRESET' } as const
      story.see({ kind: 'hint', at: 2_000, hint })
    }
    expect(story.picture).toBe('writer/suspect reader/up reader/up')
    expect(story.said).toEqual(['node-1 is suspect: a connection was lost (ECONNRESET)'])
  })

  it('does not doubt the health of a node that refused a write', () => {
    const hint = { node: 'node-1', kind: 'read-only', sign: '25006' } as const
    expect(steady().see({ kind: 'hint', at: 2_000, hint }).said).toEqual([])
  })

  it('is suspected when a probe takes long', () => {
    const story = steady().see({ kind: 'slow', node: 'node-3', at: 2_000, ms: 250 })
    expect(story.said).toEqual(['node-3 is suspect: no answer for 250 ms'])
  })
})

describe('the writer', () => {
  it('keeps its role while down and nobody else has it', () => {
    const story = steady().fails(1, 'refused', 2)
    expect(story.picture).toBe('writer/down reader/up reader/up')
  })

  it('is up again with its first good probe', () => {
    const story = steady().fails(1, 'refused', 2).answers(1, asWriter())
    expect(story.picture).toBe('writer/up reader/up reader/up')
    expect(story.said.at(-1)).toBe('node-1 is up again (timeline 1, was down for 10 ms)')
  })

  it('is the promoted node as soon as that says so, even if it was down a moment ago', () => {
    const story = steady().fails(1, 'refused', 2).fails(2, 'refused', 2)
    story.said = []
    story.answers(2, asWriter({ timeline: 2 }))
    expect(story.picture).toBe('unknown/down writer/up reader/up')
    expect(story.said).toEqual([
      'node-1 is no longer the writer: node-2 is',
      'node-2 became the writer (timeline 2, was reader)',
    ])
  })

  it('of an older timeline is fenced when it still answers', () => {
    const story = steady()
      .answers(2, asWriter({ timeline: 2 }))
      .answers(1, asWriter())
    expect(story.picture).toBe('unknown/down writer/up reader/up')
    expect(story.said.at(-1)).toBe(
      'node-1 is fenced: it takes writes on timeline 1 while node-2 is the writer on timeline 2',
    )
    story.answers(1, asWriter({ timeline: 1 }))
    expect(story.picture).toBe('unknown/down writer/up reader/up')
    expect(story.said).toHaveLength(3)
  })

  it('that froze and was replaced before anybody missed it is down, not fenced', () => {
    const story = steady().answers(2, asWriter({ timeline: 2 }))
    expect(story.picture).toBe('unknown/down writer/up reader/up')
    story.fails(1, 'timeout', 4)
    expect(story.topology.nodes[0]).toMatchObject({ health: 'down', fenced: false })
    expect(story.said).toEqual([
      'node-1 is no longer the writer: node-2 is',
      'node-2 became the writer (timeline 2, was reader)',
    ])
  })

  it('that was heard of last when a reader knows more is down, and says why', () => {
    const story = steady().answers(2, asReader({ timeline: 2 }))
    expect(story.picture).toBe('unknown/down reader/up reader/up')
    expect(story.topology.nodes[0]).toMatchObject({ fenced: false })
    expect(story.said).toEqual(['node-1 is no longer the writer: a higher timeline has been seen'])
    story.answers(1, asWriter())
    expect(story.topology.nodes[0]).toMatchObject({ fenced: true })
  })

  it('that was not named yet and turns out to be an old one is down for a reason that is told', () => {
    const story = new Story(2).answers(1, asWriter()).answers(2, asWriter({ timeline: 2 }))
    expect(story.picture).toBe('unknown/down writer/up')
    expect(story.said).toContain('node-1 is down: it was heard as a writer, but node-2 is')
  })

  it('that has just missed a probe is not called fenced before it answers again', () => {
    const story = steady().fails(1, 'refused')
    story.said = []
    story.answers(2, asWriter({ timeline: 2 }))
    expect(story.picture).toBe('unknown/down writer/up reader/up')
    expect(story.topology.nodes[0]).toMatchObject({ fenced: false })
    expect(story.said[0]).toBe('node-1 is no longer the writer: node-2 is')
    story.answers(1, asWriter())
    expect(story.picture).toBe('unknown/down writer/up reader/up')
    expect(story.topology.nodes[0]).toMatchObject({ fenced: true })
    expect(story.said.at(-1)).toMatch(/^node-1 is fenced: it takes writes on timeline 1/)
  })

  it('that comes back on an older timeline stays fenced, even when the new writer is dead', () => {
    const story = steady()
      .fails(1, 'refused', 2)
      .answers(2, asWriter({ timeline: 2 }))
    story
      .fails(2, 'refused', 2)
      .answers(1, asWriter({ timeline: 1 }))
      .answers(1, asWriter())
    expect(story.picture).toBe('unknown/down writer/down reader/up')
  })

  it('is refused to a claimant below the timeline that a reader follows', () => {
    const story = new Story(2).answers(2, asReader({ timeline: 2 })).answers(1, asWriter())
    expect(story.picture).toBe('unknown/down reader/up')
    expect(story.said.at(-1)).toBe(
      'node-1 is fenced: it takes writes on timeline 1 while a higher timeline has been seen',
    )
  })

  it('stays the incumbent when another claims the same timeline', () => {
    const story = steady().answers(2, asWriter())
    expect(story.picture).toBe('writer/up unknown/down reader/up')
    expect(story.fails(1, 'refused').answers(2, asWriter()).picture).toBe(
      'writer/suspect unknown/down reader/up',
    )
  })

  it('may be followed on the same timeline once it is down', () => {
    const story = steady().fails(1, 'refused', 2).answers(2, asWriter())
    expect(story.picture).toBe('unknown/down writer/up reader/up')
    story.answers(1, asWriter())
    expect(story.picture).toBe('unknown/down writer/up reader/up')
  })

  it('that was fenced and now follows serves as a reader after two good probes', () => {
    const story = steady().answers(2, asWriter({ timeline: 2 }))
    const follows = asReader({ timeline: 2 })
    expect(story.answers(1, follows).picture).toBe('reader/down writer/up reader/up')
    expect(story.answers(1, follows).picture).toBe('reader/up writer/up reader/up')
  })

  it("that is new is measured from its own first position, not from the old one's", () => {
    const story = steady().answers(1, asWriter({ lsn: 9_000n }), 1_000)
    story.answers(2, asWriter({ timeline: 2, lsn: 5_000n }), 1_000)
    expect(story.topology.trail).toEqual([{ at: story.at, lsn: 5_000n }])
    story.answers(3, asReader({ timeline: 2, lsn: 5_000n }), 1_000)
    expect(story.topology.nodes[2]!.lagMs).toBe(0)
  })

  it('that was restarted as a reader is no writer any more', () => {
    const story = steady().answers(1, asReader())
    expect(story.picture).toBe('reader/up reader/up reader/up')
    expect(story.said).toEqual(['node-1 is up as a reader (timeline 1, was writer)'])
  })
})

describe('a node that answers and will not have us', () => {
  it('stays what it was, and the reason is told once', () => {
    const story = steady()
    story.see({
      kind: 'hint',
      at: story.at,
      hint: { node: 'node-1', kind: 'reset', sign: '57P01' },
    })
    story.fails(1, 'busy', 100)
    expect(story.picture).toBe('writer/suspect reader/up reader/up')
    expect(story.said).toEqual([
      'node-1 is suspect: a connection was lost (57P01)',
      'node-1 stays suspect: too many clients',
    ])
  })

  it('has the whole patience again when it is silent afterwards', () => {
    const story = steady().fails(1, 'busy', 100).fails(1, 'timeout', 2)
    expect(story.picture).toBe('writer/suspect reader/up reader/up')
    expect(story.fails(1, 'timeout').picture).toBe('writer/down reader/up reader/up')
  })
})

describe('a reader that flaps', () => {
  /** How many good probes, `stepMs` apart, it takes until node-2 is up; at most 100. */
  const goodsUntilUp = (story: Story, stepMs: number): number => {
    for (let goods = 1; goods <= 100; goods++) {
      story.answers(2, asReader(), stepMs)
      if (story.topology.nodes[1]!.health === 'up') return goods
    }
    return Infinity
  }

  it('needs twice as many good probes with each fall within a minute, up to a bound', () => {
    const story = steady()
    const needed = Array.from({ length: 7 }, () => {
      story.fails(2, 'refused', 2)
      return goodsUntilUp(story, 500)
    })
    expect(needed).toEqual([2, 4, 8, 16, 32, 32, 32])
    expect(story.said).toContain(
      'node-2 is down: connection refused (2 probes failed in 50 ms; 3 falls within a minute)',
    )
  })

  it('is not kept out for so long when it is the only one', () => {
    const story = Story.steady(2)
    const needed = Array.from({ length: 6 }, () => {
      story.fails(2, 'refused', 2)
      return goodsUntilUp(story, 500)
    })
    expect(needed).toEqual([2, 4, 8, 8, 8, 8])
  })

  it('is not kept out for an hour when the wall clock is set back by one', () => {
    const story = steady()
    for (let i = 0; i < 2; i++) {
      story.fails(2, 'refused', 2)
      if (i === 0) goodsUntilUp(story, 500)
    }
    story.answers(2, asReader(), 500).answers(2, asReader(), -3_600_000)
    expect(goodsUntilUp(story, 500)).toBe(2)
  })

  it('is forgiven after a minute', () => {
    const story = steady()
    for (let i = 0; i < 3; i++) {
      story.fails(2, 'refused', 2)
      goodsUntilUp(story, 500)
    }
    story.answers(2, asReader(), 61_000).fails(2, 'refused', 2)
    expect(goodsUntilUp(story, 500)).toBe(2)
  })

  it('does not pay for what it did as the writer', () => {
    const story = steady()
    for (let i = 0; i < 5; i++) story.fails(1, 'refused', 2).answers(1, asWriter())
    story.fails(1, 'refused', 2).answers(2, asWriter({ timeline: 2 }))
    story.answers(1, asReader({ timeline: 2 })).answers(1, asReader({ timeline: 2 }))
    expect(story.picture).toBe('reader/up writer/up reader/up')
  })

  it('cannot hurry through them in an alarm that probes every 20 ms', () => {
    const story = steady()
    story.fails(2, 'refused', 2)
    expect(goodsUntilUp(story, 20)).toBe(2)
    story.fails(2, 'refused', 2)
    // The first counts at once, three more each 250 ms (13 probes) after the one before.
    expect(goodsUntilUp(story, 20)).toBe(40)
  })

  it('serves at once when it is the writer', () => {
    const story = steady()
    for (let i = 0; i < 5; i++) {
      story.fails(1, 'refused', 2).answers(1, asWriter())
      expect(story.picture).toBe('writer/up reader/up reader/up')
    }
  })
})
