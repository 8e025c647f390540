/**
 * From settings to who may come in from where, how many, and for how long. Rule: pure translation, as
 * in settings.ts.
 */
import type { Settings } from '../config/settings.ts'
import { AddressList, AddressRule } from '../core/address-list.ts'
import type { Clock } from '../core/clock.ts'
import { AuthFailures } from '../listener/auth-failures.ts'
import { Guard } from '../listener/guard.ts'
import type { Headcount } from '../session/headcount.ts'
import type { Timeouts } from '../session/session-watch.ts'
import { SlowReaders } from '../session/slow-readers.ts'
import { connectRates } from './rates.ts'

/**
 * One for all doors.
 * @param mostOf what a single user is allowed; undefined: what everybody is
 */
export function guardFor(
  settings: Settings,
  clock: Clock,
  heads: Headcount,
  mostOf: (user: string) => number | undefined,
): Guard {
  const { listen, limits, endpoints } = settings
  const { authFailures, authFailureWindowMs, authBackoffMs } = limits
  const now = (): number => clock.monotonic()
  const everybody = numberOf(limits.maxClientsPerUser)
  return new Guard({
    everywhere: new AddressRule(listen.allow, listen.deny),
    endpoints: new Map(
      endpoints.map(({ name, allow, deny, maxClients }) => [
        name,
        { addresses: new AddressRule(allow, deny), mostClients: maxClients ?? Infinity },
      ]),
    ),
    relays: listen.proxyProtocol === 'off' ? undefined : new AddressList(listen.proxyTrusted ?? []),
    rates: connectRates(settings, clock),
    failures:
      authFailures === 'off'
        ? undefined
        : new AuthFailures({
            most: authFailures,
            windowMs: authFailureWindowMs,
            backoffMs: authBackoffMs,
            now,
          }),
    heads,
    mostOfUser: (user) => mostOf(user) ?? everybody,
    mostOfSource: numberOf(limits.maxClientsPerSource),
  })
}

/** A bound as a number; a word for none is Infinity. */
export function numberOf(bound: number | 'unlimited'): number {
  return bound === 'unlimited' ? Infinity : bound
}

/** How long clients may take over what. */
export function timeoutsFor(limits: Settings['limits']): Timeouts {
  return {
    idleMs: numberOf(limits.idleClientTimeout),
    idleInTransactionMs: numberOf(limits.idleInTransactionTimeout),
    statementMs: numberOf(limits.statementTimeout),
    lifetimeMs: numberOf(limits.clientLifetime),
    messageMs: numberOf(limits.messageTimeout),
  }
}

export function slowReadersFor(limits: Settings['limits'], clock: Clock): SlowReaders {
  return new SlowReaders({
    sendTimeoutMs: numberOf(limits.sendTimeout),
    mostBytes: limits.unsentBytes,
    now: () => clock.monotonic(),
  })
}
