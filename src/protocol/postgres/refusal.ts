/** Errors in the form a Postgres client reads them. */
import type { WeirError } from '../../core/errors.ts'
import { errorResponse } from '../../wire/postgres/backend.ts'
import type { Severity } from '../../wire/postgres/error-fields.ts'

export function errorBytesOf(error: WeirError, severity: Severity): Buffer {
  return errorResponse({
    severity,
    code: error.sqlstate,
    message: error.message,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}

/** After this the connection closes. */
export function fatalBytes(error: WeirError): Buffer {
  return errorBytesOf(error, 'FATAL')
}
