/** The table of peers as the settings have it. Rule: pure translation, as in settings.ts beside it. */
import type { Settings } from '../config/settings.ts'
import { Peers, type PeersOptions } from '../session/peers.ts'
import { NO_INSTANCE } from '../session/process-numbers.ts'

export function peersFor(
  { instance: { id = NO_INSTANCE, peers }, pool }: Settings,
  rooms: Omit<PeersOptions, 'instance' | 'peers' | 'timeoutMs'>,
): Peers {
  return new Peers({
    ...rooms,
    instance: id,
    peers: new Map(Object.entries(peers).map(([peer, address]) => [Number(peer), address])),
    timeoutMs: pool.openTimeoutMs,
  })
}
