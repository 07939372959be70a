/** XML namespaces of the interop profile and of the extensions that it uses in messages. */
export const NS_INTEROP = 'urn:drawbridge:interop:1';
export const NS_KEYS = 'urn:drawbridge:interop:keys:1';
/** XEP-0184. */
export const NS_RECEIPTS = 'urn:xmpp:receipts';
/** XEP-0334. */
export const NS_HINTS = 'urn:xmpp:hints';
/** XEP-0333. */
export const NS_MARKERS = 'urn:xmpp:chat-markers:0';
/** XEP-0085. */
export const NS_CHAT_STATES = 'http://jabber.org/protocol/chatstates';
/** RFC 6120 §8.3.3. */
export const NS_STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
/** RFC 6120 §4.8.2. */
export const NS_CLIENT = 'jabber:client';
