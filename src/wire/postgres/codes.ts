/**
 * The letters and magic numbers of protocol 3, as numbers. Rule: one name per message, grouped by
 * the direction in which it travels, because the same letter means different things each way
 * ('D' is Describe going up and DataRow coming down). Letters as in PostgreSQL's
 * src/include/libpq/protocol.h, startup codes as in src/include/libpq/pqcomm.h.
 */

/** A letter and an Int32 that counts itself but not the letter. */
export const HEADER = 5

/** Messages clients send. */
export const FRONTEND = {
  BIND: 0x42, // B
  CLOSE: 0x43, // C
  COPY_DATA: 0x64, // d
  COPY_DONE: 0x63, // c
  COPY_FAIL: 0x66, // f
  DESCRIBE: 0x44, // D
  EXECUTE: 0x45, // E
  FLUSH: 0x48, // H
  FUNCTION_CALL: 0x46, // F
  PARSE: 0x50, // P
  PASSWORD: 0x70, // p, also GSSResponse, SASLInitialResponse and SASLResponse
  QUERY: 0x51, // Q
  SYNC: 0x53, // S
  TERMINATE: 0x58, // X
} as const

/** Messages servers send. */
export const BACKEND = {
  AUTHENTICATION: 0x52, // R
  BACKEND_KEY_DATA: 0x4b, // K
  BIND_COMPLETE: 0x32, // 2
  CLOSE_COMPLETE: 0x33, // 3
  COMMAND_COMPLETE: 0x43, // C
  COPY_BOTH_RESPONSE: 0x57, // W
  COPY_DATA: 0x64, // d
  COPY_DONE: 0x63, // c
  COPY_IN_RESPONSE: 0x47, // G
  COPY_OUT_RESPONSE: 0x48, // H
  DATA_ROW: 0x44, // D
  EMPTY_QUERY_RESPONSE: 0x49, // I
  ERROR_RESPONSE: 0x45, // E
  FUNCTION_CALL_RESPONSE: 0x56, // V
  NEGOTIATE_PROTOCOL_VERSION: 0x76, // v
  NO_DATA: 0x6e, // n
  NOTICE_RESPONSE: 0x4e, // N
  NOTIFICATION_RESPONSE: 0x41, // A
  PARAMETER_DESCRIPTION: 0x74, // t
  PARAMETER_STATUS: 0x53, // S
  PARSE_COMPLETE: 0x31, // 1
  PORTAL_SUSPENDED: 0x73, // s
  READY_FOR_QUERY: 0x5a, // Z
  ROW_DESCRIPTION: 0x54, // T
} as const

/** What an Authentication message asks for (AUTH_REQ_* in protocol.h). */
export const AUTH = {
  OK: 0,
  CLEARTEXT: 3,
  MD5: 5,
  SASL: 10,
  SASL_CONTINUE: 11,
  SASL_FINAL: 12,
} as const

/** Transaction status in ReadyForQuery: idle, in a transaction, in a failed one. */
export const STATUS = {
  IDLE: 0x49, // I
  IN_TRANSACTION: 0x54, // T
  FAILED: 0x45, // E
} as const

/** PG_PROTOCOL(3, 0); the minor number stands in the low 16 bits. */
export const PROTOCOL_3_0 = 0x0003_0000
/** PG_PROTOCOL(3, 2), PostgreSQL 18: cancel secrets of up to 256 bytes. 3.1 was never used. */
export const PROTOCOL_3_2 = 0x0003_0002

/** CANCEL_REQUEST_CODE, PG_PROTOCOL(1234, 5678). */
export const CANCEL_REQUEST_CODE = 80_877_102
/** NEGOTIATE_SSL_CODE, PG_PROTOCOL(1234, 5679). */
export const SSL_REQUEST_CODE = 80_877_103
/** NEGOTIATE_GSS_CODE, PG_PROTOCOL(1234, 5680). */
export const GSS_REQUEST_CODE = 80_877_104

/** First byte of a TLS handshake record: a client that starts TLS without asking (PostgreSQL 17). */
export const TLS_HANDSHAKE = 0x16

/** Bounds of a cancel secret: 4 bytes in 3.0, at most 256 in 3.2. */
export const SECRET_MIN = 4
export const SECRET_MAX = 256
