/**
 * `admin` and `audit` as the program sees them: file names absolute, ports with their offset. Rule: as
 * in settings.ts, nothing here reads files or fails.
 */
import type { FileSettings } from './schema.ts'

type Frozen<T> = T extends readonly (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T

export type AdminSettings = Frozen<FileSettings['admin']>
export type AuditSettings = Frozen<FileSettings['audit']>

/** @param beside makes names that are relative to the configuration file absolute */
export function settleAdmin(
  admin: AdminSettings,
  offset: number,
  beside: (name: string) => string,
): AdminSettings {
  const { users, tls, ...rest } = admin
  return {
    ...rest,
    port: admin.port + offset,
    ...(tls === undefined
      ? {}
      : { tls: { certFile: beside(tls.certFile), keyFile: beside(tls.keyFile) } }),
    ...(users === undefined
      ? {}
      : {
          users: users.map(({ passwordFile, tokenFile, ...user }) => ({
            ...user,
            ...(passwordFile === undefined ? {} : { passwordFile: beside(passwordFile) }),
            ...(tokenFile === undefined ? {} : { tokenFile: beside(tokenFile) }),
          })),
        }),
  }
}

export function settleAudit(audit: AuditSettings, beside: (name: string) => string): AuditSettings {
  return { ...audit, file: beside(audit.file) }
}

/** The same without what proves a user, for status pages and logs. */
export function adminWithoutSecrets(admin: AdminSettings): AdminSettings {
  const { users, ...rest } = admin
  if (users === undefined) return admin
  const hidden = users.map(({ password, tokenHash, ...user }) => ({
    ...user,
    ...(password === undefined ? {} : { password: '(hidden)' }),
    ...(tokenHash === undefined ? {} : { tokenHash: '(hidden)' }),
  }))
  return { ...rest, users: hidden }
}
