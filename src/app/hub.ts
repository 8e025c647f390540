/** The hub of listening clients, as the app makes it. Rule: pure wiring. */
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Protocol } from '../protocol/contract.ts'
import { ListenerHub } from '../session/listening.ts'
import { homeOf } from './servers.ts'
import type { Supply } from './supply.ts'

export interface HubParts {
  readonly supply: Supply
  readonly metrics: Metrics
  readonly clock: Clock
}

export function hubFor(
  { supply, metrics, clock }: HubParts,
  protocol: Protocol,
  wheel: TimerWheel,
  log: Log,
): ListenerHub {
  const { router } = supply
  return new ListenerHub({
    protocol,
    router,
    clock,
    wheel,
    log,
    counters: metrics.general,
    home: homeOf,
  })
}
