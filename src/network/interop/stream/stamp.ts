/** Points in time as XMPP writes them (XEP-0082 §3.2). */

/** @returns epoch milliseconds, or `undefined` for anything of another form. */
export function parseStamp(stamp: string | undefined): number | undefined {
  if (stamp === undefined || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(stamp))
    return undefined;
  const ms = Date.parse(stamp);
  return Number.isNaN(ms) ? undefined : ms;
}
