/**
 * The whole configuration file as one schema. Rule: keys are spelled as in the file; what the
 * program sees is `Settings` in settings.ts, derived from this type.
 */
import type { z } from 'zod'
import { admin, log } from './schema-admin.ts'
import { audit } from './schema-audit.ts'
import { auth } from './schema-auth.ts'
import { listen } from './schema-doors.ts'
import { instance } from './schema-instance.ts'
import { endpoints, nodes } from './schema-routes.ts'
import { tls } from './schema-tls.ts'
import { topology } from './schema-topology.ts'
import { limits, pool } from './schema-traffic.ts'
import { rollTimeout, workers } from './schema-workers.ts'
import { section } from './setting.ts'

export const schema = section(
  {
    listen: listen.prefault({}),
    nodes,
    topology: topology.prefault({}),
    endpoints,
    pool: pool.prefault({}),
    auth: auth.prefault({}),
    tls: tls.prefault({}),
    limits: limits.prefault({}),
    workers: workers.prefault('auto'),
    rollTimeout: rollTimeout.prefault('unlimited'),
    instance: instance.prefault({}),
    admin: admin.prefault({}),
    audit: audit.prefault({}),
    log: log.prefault({}),
  },
  { description: 'A configuration of Weir.', example: 'nodes: [...]' },
)

/** A file that passed the schema: defaults filled in, quantities as numbers, keys as in the file. */
export type FileSettings = z.output<typeof schema>
