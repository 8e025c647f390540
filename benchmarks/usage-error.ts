/** A wrong option of a benchmark. Rule: its message is for the person who typed it. */
export class UsageError extends Error {}
