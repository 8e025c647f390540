/** One status value for the tests of the page, the HTTP side and the terminal. */
import type { StatusSnapshot } from '../../../src/admin/snapshot.ts'

export function exampleStatus(some: Partial<StatusSnapshot> = {}): StatusSnapshot {
  return {
    version: '0.1.0',
    startedAt: 1_700_000_000_000,
    uptimeMs: 754_000,
    epoch: 5,
    nodes: [
      {
        name: 'node-1',
        host: '127.0.0.1',
        port: 5501,
        role: 'writer',
        health: 'up',
        lagMs: 0,
        timeline: 1,
        leases: 6,
        connections: 9,
        budget: 97,
        because: 'answers probes and is not in recovery',
      },
      {
        name: 'node-2',
        host: '127.0.0.1',
        port: 5502,
        role: 'reader',
        health: 'up',
        lagMs: 12,
        timeline: 1,
        leases: 1,
        connections: 2,
        budget: 97,
        because: 'answers probes and replays from node-1',
      },
      {
        name: 'node-3',
        host: '127.0.0.1',
        port: 5503,
        role: 'unknown',
        health: 'down',
        lagMs: null,
        timeline: null,
        leases: 0,
        connections: 0,
        budget: null,
        because: 'two probes in a row were refused',
      },
    ],
    endpoints: [
      { name: 'writer', kind: 'writer', address: '127.0.0.1:6432', clients: 41, chooses: 'node-1' },
      { name: 'reader', kind: 'reader', address: '127.0.0.1:6433', clients: 7, chooses: 'node-2' },
    ],
    pools: [
      {
        node: 'node-1',
        database: 'app',
        user: 'weir',
        state: 'serving',
        total: 9,
        idle: 3,
        active: 6,
        waiting: 4,
        opening: 1,
        maximum: 10,
        longestWaitMs: 1_240,
      },
    ],
    clients: {
      total: 48,
      active: 7,
      waiting: 4,
      pinned: 1,
      byState: { idle: 37, waiting: 4, leased: 7 },
    },
    pins: [{ reason: 'temporary-table', count: 3 }],
    events: [
      { at: 1_700_000_000_500, text: 'node-1 is the writer.' },
      { at: 1_700_000_300_250, text: 'node-3 is down: two probes in a row were refused.' },
    ],
    ...some,
  }
}
