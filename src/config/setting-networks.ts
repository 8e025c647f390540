/**
 * Settings that hold networks, and how a client's address is handed on. Rule: as in setting.ts, what a
 * wrong value is answered with is built here and nowhere else.
 */
import { z } from 'zod'
import { parseCidr } from '../core/address-list.ts'
import { about, type Told } from './setting.ts'

/** Networks and addresses, as they stand in the file. */
export function networks(told: Told) {
  const item = z
    .string()
    .refine((text) => parseCidr(text) !== undefined)
    .register(about, {
      ...told,
      type: 'network',
      want: 'a network such as 10.0.0.0/8 or 2001:db8::/32, or a single address',
      verbatim: true,
    })
  return z.array(item).register(about, {
    ...told,
    type: 'list of networks',
    want: `a list of networks such as ${told.example}`,
  })
}

const HAND_ON = '^(off|application-name|setting:[a-z_][a-z0-9_]*\\.[a-z_][a-z0-9_]*)$'

/** Where Postgres is told a client's address. */
export function handOn(told: Told) {
  return z
    .string()
    .regex(new RegExp(HAND_ON))
    .register(about, {
      ...told,
      type: 'off, application-name, or setting:NAME',
      want: 'off, application-name, or setting: and a name with a dot in it, such as setting:weir.client_address',
      pattern: HAND_ON,
      verbatim: true,
    })
}
