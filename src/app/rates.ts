/** From settings to how often clients may come. */
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { ConnectRates } from '../listener/connect-rates.ts'

/** One for all doors; undefined when nothing bounds how often clients come. */
export function connectRates({ limits }: Settings, clock: Clock): ConnectRates | undefined {
  const { connectRate, connectBurst } = limits
  if (connectRate === 'off') return undefined
  const burst = connectBurst ?? Math.max(1, Math.ceil(connectRate))
  return new ConnectRates(connectRate, burst, () => clock.monotonic())
}
