/** XML namespaces of the stream. */
export const NS_CLIENT = 'jabber:client';
export const NS_STREAMS = 'http://etherx.jabber.org/streams';
export const NS_STREAM_ERRORS = 'urn:ietf:params:xml:ns:xmpp-streams';
export const NS_STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
export const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
export const NS_BIND = 'urn:ietf:params:xml:ns:xmpp-bind';
export const NS_SM = 'urn:xmpp:sm:3';
export const NS_PING = 'urn:xmpp:ping';
export const NS_DISCO_INFO = 'http://jabber.org/protocol/disco#info';
export const NS_STANZA_IDS = 'urn:xmpp:sid:0';
export const NS_HINTS = 'urn:xmpp:hints';
export const NS_DELAY = 'urn:xmpp:delay';
export const NS_ARCHIVE = 'urn:xmpp:mam:2';
export const NS_FORWARD = 'urn:xmpp:forward:0';
export const NS_RSM = 'http://jabber.org/protocol/rsm';
export const NS_DATA_FORMS = 'jabber:x:data';
/** Ours, and never on the wire: what a stanza that was discarded leaves in the store. */
export const NS_DISCARDED = 'urn:drawbridge:discarded:1';
export const NS_XML = 'http://www.w3.org/XML/1998/namespace';
export const NS_XMLNS = 'http://www.w3.org/2000/xmlns/';
