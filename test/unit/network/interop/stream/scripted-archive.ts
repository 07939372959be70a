/** The archive of an account on the scripted server: XEP-0313 as it should be, and any fault on demand. */
import type { Element } from '@xmpp/client';
import { type Behaviour, type Connection, OWN } from './scripted-server.ts';

const NS_ARCHIVE = 'urn:xmpp:mam:2';
const NS_RSM = 'http://jabber.org/protocol/rsm';
export const ARCHIVED_AT = '2026-01-02T03:04:05Z';

export interface ArchiveItem {
  readonly id: string;
  /** `<message xmlns='jabber:client' …/>`. */
  readonly message: string;
}

/** What the client asked for. */
export interface ArchiveQuery {
  readonly iqId: string;
  readonly queryId: string;
  readonly type: string;
  readonly to: string;
  readonly after: string | undefined;
  readonly start: string | undefined;
  readonly max: number;
}

export class ScriptedArchive {
  readonly items: ArchiveItem[] = [];
  readonly queries: ArchiveQuery[] = [];
  /** Called for each query; `true`: it has been dealt with. */
  onQuery: (query: ArchiveQuery, connection: Connection) => boolean = () => false;

  /** Behaviour of the server that has it. */
  get behaviour(): Partial<Behaviour> {
    return {
      announcesStanzaIds: true,
      announcesArchive: true,
      onElement: (element, connection) => this.#onElement(element, connection),
    };
  }

  /** Archives message `n` of a contact. */
  add(n: number | string, from = 'bob@gk.test/p'): ArchiveItem {
    return this.addMessage(`id='in${n}' from='${from}' to='${OWN}'`, `<body>${n}</body>`, `a${n}`);
  }

  addMessage(attributes: string, content: string, id = `a${this.items.length}`): ArchiveItem {
    const message = `<message xmlns='jabber:client' ${attributes}>${content}</message>`;
    const item = { id, message };
    this.items.push(item);
    return item;
  }

  /** Archives message `n` and delivers it, with its archive id. */
  addLive(connection: Connection | undefined, n: number | string): void {
    this.deliver(connection, this.add(n));
  }

  deliver(connection: Connection | undefined, { id, message }: ArchiveItem): void {
    const stanzaId = `<stanza-id xmlns='urn:xmpp:sid:0' by='${OWN}' id='${id}'/>`;
    connection?.deliver(message.replace('</message>', `${stanzaId}</message>`));
  }

  /** The page that was asked for, whole. */
  answer(query: ArchiveQuery, connection: Connection): void {
    const { page, isComplete } = this.page(query);
    for (const item of page) connection.deliver(result(item, query.queryId));
    connection.deliver(end(query, { isComplete, last: page.at(-1)?.id }));
  }

  page(query: ArchiveQuery): { readonly page: readonly ArchiveItem[]; readonly isComplete: boolean } {
    const first = query.after === undefined ? 0 : this.items.findIndex(({ id }) => id === query.after) + 1;
    return {
      page: this.items.slice(first, first + query.max),
      isComplete: first + query.max >= this.items.length,
    };
  }

  #onElement(element: Element, connection: Connection): boolean {
    const query = element.name === 'iq' ? element.getChild('query', NS_ARCHIVE) : undefined;
    if (query === undefined) return false;
    const set = query.getChild('set', NS_RSM);
    const fields = query.getChild('x', 'jabber:x:data')?.getChildren('field') ?? [];
    const asked: ArchiveQuery = {
      iqId: element.attrs.id ?? '',
      queryId: query.attrs.queryid ?? '',
      type: element.attrs.type ?? '',
      to: element.attrs.to ?? '',
      after: set?.getChildText('after') ?? undefined,
      start: fields.find(({ attrs }) => attrs.var === 'start')?.getChildText('value') ?? undefined,
      max: Number(set?.getChildText('max')),
    };
    this.queries.push(asked);
    if (this.onQuery(asked, connection)) return true;
    const isKnown = asked.after === undefined || this.items.some(({ id }) => id === asked.after);
    if (isKnown) this.answer(asked, connection);
    else refuse(asked, connection, 'item-not-found');
    return true;
  }
}

export function result(item: ArchiveItem, queryId: string, from = `from='${OWN}'`): string {
  const delay = `<delay xmlns='urn:xmpp:delay' stamp='${ARCHIVED_AT}'/>`;
  const forwarded = `<forwarded xmlns='urn:xmpp:forward:0'>${delay}${item.message}</forwarded>`;
  return `<message ${from} to='${OWN}/drawbridge'><result xmlns='${NS_ARCHIVE}' queryid='${queryId}' id='${item.id}'>${forwarded}</result></message>`;
}

export function end(
  query: Pick<ArchiveQuery, 'iqId'>,
  { isComplete = true, last = undefined as string | undefined },
): string {
  const complete = isComplete ? ` complete='true'` : '';
  const set = `<set xmlns='${NS_RSM}'>${last === undefined ? '' : `<last>${last}</last>`}</set>`;
  return `<iq type='result' id='${query.iqId}' from='${OWN}'><fin xmlns='${NS_ARCHIVE}'${complete}>${set}</fin></iq>`;
}

export function refuse(
  query: ArchiveQuery,
  connection: Connection,
  condition: string,
  type = 'cancel',
): void {
  connection.deliver(
    `<iq type='error' id='${query.iqId}' from='${OWN}'><error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`,
  );
}
