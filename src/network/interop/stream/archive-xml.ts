/** Message archive management (XEP-0313) as XML: the question, what it brings, and its end. Pure. */
import { type Element, xml } from '@xmpp/client';
import { isSameJid } from './jid.ts';
import { NS_ARCHIVE, NS_CLIENT, NS_DATA_FORMS, NS_DELAY, NS_FORWARD, NS_RSM } from './namespaces.ts';
import { parseStamp } from './stamp.ts';

/** Which part of the archive is asked for. Without `after` and `startMs`: all of it. */
export interface ArchivePlace {
  /** Only what comes after this archive id. */
  readonly after?: string | undefined;
  /** Only what was archived at or after this time; epoch milliseconds. */
  readonly startMs?: number | undefined;
}

/** One message out of the archive. */
export interface ArchivedMessage {
  readonly queryId: string;
  readonly archiveId: string;
  /** When it was archived; epoch milliseconds. */
  readonly archivedAtMs: number | undefined;
  readonly message: Element;
}

/** Characters of an archive id: as many as are stored. A longer one could not be asked for again. */
export const maxArchiveIdLength = 255;

/** The payload of the question (XEP-0313 §4). */
export function toArchiveQuery(queryId: string, place: ArchivePlace, max: number): Element {
  const form =
    place.startMs === undefined
      ? undefined
      : xml(
          'x',
          { xmlns: NS_DATA_FORMS, type: 'submit' },
          field('FORM_TYPE', NS_ARCHIVE, 'hidden'),
          field('start', new Date(place.startMs).toISOString()),
        );
  const set = xml(
    'set',
    { xmlns: NS_RSM },
    xml('max', {}, String(max)),
    place.after === undefined ? undefined : xml('after', {}, place.after),
  );
  return xml('query', { xmlns: NS_ARCHIVE, queryid: queryId }, form, set);
}

/** Whether a message carries something out of our account's archive; a result of anybody else is none. */
export function isArchiveResult(message: Element, ownBareJid: string): boolean {
  const from = message.attrs.from;
  if (from !== undefined && !isSameJid(from, ownBareJid)) return false;
  return message.getChild('result', NS_ARCHIVE) !== undefined;
}

/** @returns `undefined` for a result that is not as XEP-0313 §4.2 wants it. */
export function readArchiveResult(message: Element): ArchivedMessage | undefined {
  const result = message.getChild('result', NS_ARCHIVE);
  const { id, queryid } = result?.attrs ?? {};
  const forwarded = result?.getChild('forwarded', NS_FORWARD);
  const inner = forwarded?.getChild('message', NS_CLIENT);
  if (id === undefined || !isArchiveId(id) || queryid === undefined || inner === undefined) return undefined;
  const stamp = forwarded?.getChild('delay', NS_DELAY)?.attrs.stamp;
  return { queryId: queryid, archiveId: id, archivedAtMs: parseStamp(stamp), message: inner };
}

/**
 * The end of a page. `last`: the archive id of its last message; `undefined` for an empty page.
 * @returns `undefined` if it is no end of a page.
 */
export function readPageEnd(
  answer: Element | undefined,
): { readonly isComplete: boolean; readonly last: string | undefined } | undefined {
  if (!answer?.is('fin', NS_ARCHIVE)) return undefined;
  const last = answer.getChild('set', NS_RSM)?.getChildText('last') ?? undefined;
  const { complete } = answer.attrs;
  return {
    isComplete: complete === 'true' || complete === '1',
    last: last !== undefined && isArchiveId(last) ? last : undefined,
  };
}

/** Whether it is one that can be kept. */
export function isArchiveId(text: string): boolean {
  return text.length > 0 && text.length <= maxArchiveIdLength;
}

function field(name: string, value: string, type?: string): Element {
  return xml('field', { var: name, type }, xml('value', {}, value));
}
