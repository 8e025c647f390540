/** The fuzz targets there are. Rule: one line each; what a target does is said in its own file. */
import type { Target } from '../../support/fuzz.ts'
import { adminHttp } from './admin-http.ts'
import { auditLine } from './audit-line.ts'
import { certificateNames } from './certificate-names.ts'
import { clientLogin } from './client-login.ts'
import { files } from './files.ts'
import { nodeLogin } from './node-login.ts'
import { ownSql } from './own-sql.ts'
import { proxyHeader } from './proxy-header.ts'
import { replication } from './replication.ts'
import { rudeClient } from './rude-client.ts'
import { rudeNode } from './rude-node.ts'
import { sqlText } from './sql-text.ts'
import { token } from './token.ts'

export const TARGETS: readonly Target[] = [
  clientLogin,
  nodeLogin,
  rudeClient,
  rudeNode,
  replication,
  proxyHeader,
  token,
  certificateNames,
  sqlText,
  ownSql,
  adminHttp,
  auditLine,
  files,
]
