/** Errors in the form a Postgres client reads them. */
import { WeirError } from '../../core/errors.ts'
import { errorResponse, noticeResponse } from '../../wire/postgres/backend.ts'
import type { ErrorFields, Severity } from '../../wire/postgres/error-fields.ts'

export function errorBytesOf(error: WeirError, severity: Severity): Buffer {
  return errorResponse(fieldsOf(error, severity))
}

function fieldsOf(error: WeirError, severity: Severity): ErrorFields {
  return {
    severity,
    code: error.sqlstate,
    message: error.message,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  }
}

/** A client sent what is not the protocol. */
export function junkFound(what: string): WeirError {
  return new WeirError('WEIR_CLIENT_PROTOCOL', what, { sqlstate: '08P01' })
}

/** After this the connection closes. */
export function fatalBytes(error: WeirError): Buffer {
  return errorBytesOf(error, 'FATAL')
}

/** The client reads it when it likes; nothing depends on it. */
export function warningBytes(error: WeirError): Buffer {
  return noticeResponse(fieldsOf(error, 'WARNING'))
}

/** The same for what is no reason to worry. */
export function noticeBytes(error: WeirError): Buffer {
  return noticeResponse(fieldsOf(error, 'NOTICE'))
}

/** What a node said, as an error of ours that keeps its SQLSTATE and words. */
export function errorFrom(code: string, fields: ErrorFields): WeirError {
  return new WeirError(code, fields.message, {
    sqlstate: fields.code,
    ...(fields.detail === undefined ? {} : { detail: fields.detail }),
    ...(fields.hint === undefined ? {} : { hint: fields.hint }),
  })
}
