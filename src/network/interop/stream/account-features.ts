/** What our own account on the server announces (XEP-0030). */
import { type Element, xml } from '@xmpp/client';
import { BridgeError } from '../../../model/errors.ts';
import { NS_ARCHIVE, NS_DISCO_INFO, NS_STANZA_IDS } from './namespaces.ts';

export interface AccountFeatures {
  /** XEP-0359 §6: only then can a stanza id by our account be believed. */
  readonly stanzaIds: boolean;
  /** XEP-0313. */
  readonly archive: boolean;
}

/**
 * Asks for them. A refusal is an answer: nothing is announced.
 * @param ask sends the question to our bare JID, and rejects as `XmppStream.query`.
 * @returns `undefined` when no answer came.
 */
export async function askFeatures(
  ask: (payload: Element) => Promise<Element | undefined>,
): Promise<AccountFeatures | undefined> {
  try {
    const info = await ask(xml('query', { xmlns: NS_DISCO_INFO }));
    const names = (info?.getChildren('feature', NS_DISCO_INFO) ?? []).map((feature) => feature.attrs.var);
    return { stanzaIds: names.includes(NS_STANZA_IDS), archive: names.includes(NS_ARCHIVE) };
  } catch (failure) {
    if (!(failure instanceof BridgeError)) throw failure;
    return failure.arrived === 'yes' ? { stanzaIds: false, archive: false } : undefined;
  }
}
