import { expect, test } from 'vitest'
import { LatencyBuckets } from '../../../src/metrics/buckets.ts'
import { EndpointCounters } from '../../../src/metrics/counters.ts'
import { RequestWatch } from '../../../src/session/request-watch.ts'

function watch(encrypted = false) {
  const counters = new EndpointCounters()
  const node = new LatencyBuckets()
  const seen = () => ({
    queries: counters.queries,
    client: counters.response.snapshot().sumUs / 1000,
    node: node.snapshot().sumUs / 1000,
    answers: counters.response.snapshot().counts.reduce((a, b) => a + b),
  })
  return { counters, node, seen, requests: new RequestWatch(counters, encrypted) }
}

test('the wait for a lease is the client’s time and not the node’s', () => {
  const { requests, node, seen } = watch()
  requests.asked(100)
  requests.sent(130)
  requests.sent(135)
  requests.answered(1, 140, node)
  expect(seen()).toEqual({ queries: 1, client: 40, node: 10, answers: 1 })
})

test('several requests ahead of one boundary are one answer, timed from the first', () => {
  const { requests, node, seen } = watch()
  requests.sent(100)
  requests.sent(150)
  requests.answered(3, 160, node)
  expect(seen()).toEqual({ queries: 3, client: 60, node: 60, answers: 1 })
})

test('a round trip without a request, such as a Parse alone, is not timed', () => {
  const { requests, node, seen } = watch()
  requests.sent(100)
  requests.answered(0, 110, node)
  requests.sent(200)
  requests.answered(1, 205, node)
  expect(seen()).toEqual({ queries: 1, client: 5, node: 5, answers: 1 })
})

test('what was dropped leaves nothing behind for the next request', () => {
  const { requests, node, seen } = watch()
  requests.asked(100)
  requests.dropped()
  requests.sent(200)
  requests.answered(1, 210, node)
  expect(seen()).toEqual({ queries: 1, client: 10, node: 10, answers: 1 })
})

test('requests of a client that left are counted and not timed, and those of TLS clients twice', () => {
  const { requests, counters, seen } = watch(true)
  requests.sent(100)
  requests.count(2)
  expect(seen()).toEqual({ queries: 2, client: 0, node: 0, answers: 0 })
  expect(counters.queriesTls).toBe(2)
})
