/** Errors of the XMPP stream. Facts are ids, conditions and counts: what a peer wrote never stands in them. */
import { defineErrors } from '../../../model/errors.ts';

export const streamErrors = defineErrors('stream', {
  /** DNS, TCP or TLS did not come about. */
  unreachable: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** The certificate is not one for the XMPP domain, not trusted, expired, or not among the pinned keys. */
  badCertificate: { retry: 'later', arrived: 'no', notice: 'network-untrusted' },
  /** A deadline passed; `step` says which. */
  timeout: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** The connection ended without a stream error. */
  lost: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** The server ended the stream; `condition` as in RFC 6120 §4.9.3. */
  closedByServer: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** RFC 6120 §4.9.3.3: another client took this resource. Two bridges run for one account: no reconnect. */
  conflict: { retry: 'after-user', arrived: 'unknown', notice: 'network-conflict' },
  /** RFC 6120 §4.9.3.14. The server did not like something that was sent. */
  policyViolation: { retry: 'later', arrived: 'unknown', notice: 'network-refused' },
  /** RFC 6120 §4.9.3.19: another host was named. It is never followed. */
  redirected: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** SASL refused the token; `condition` as in RFC 6120 §6.5. */
  notAuthorized: { retry: 'later', arrived: 'no', notice: 'network-login-refused' },
  /** The token callback failed. */
  tokenUnavailable: { retry: 'later', arrived: 'no', notice: 'network-login-refused' },
  /** The server does not offer what the profile requires; `feature` names it. */
  featureMissing: { retry: 'later', arrived: 'no', notice: 'network-unsupported' },
  /** Well-formed, but not what the protocol allows at this point; `rule` names it. */
  protocolViolation: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** Not XML, not UTF-8, or XML that XMPP forbids (RFC 6120 §11.1). */
  notWellFormed: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** A limit of the reader; `limit` names it. */
  limitExceeded: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** XEP-0198 §4: more stanzas acknowledged than sent. */
  handledCountTooHigh: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** The store refused or failed. */
  storeFailed: { retry: 'later', arrived: 'no', notice: 'internal' },
  /** There is no session now. */
  offline: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** Stopped by `stop()`. */
  stopped: { retry: 'later', arrived: 'unknown', notice: 'network-unreachable' },
  /** Too many queries wait for their answers. */
  tooManyQueries: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** An iq error of type cancel, modify, auth or continue; `condition` and `type` as in RFC 6120 §8.3. */
  queryRefused: { retry: 'never', arrived: 'yes', notice: 'network-refused' },
  /** An iq error of type wait. */
  queryDeferred: { retry: 'later', arrived: 'yes', notice: 'network-refused' },
  /** An outbox row that is no `<message/>` within the limits, or that holds characters which XML has no form for. */
  badStanza: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The server closed the stream over this very stanza. */
  stanzaRejected: { retry: 'never', arrived: 'no', notice: 'network-refused' },
});
