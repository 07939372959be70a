import { defineErrors } from '../model/errors.ts';

/** `notice` is the id of the reason that people are told (texts/en.ftl). */
export const bridgeErrors = defineErrors('bridge', {
  /** A catalogue of texts is malformed, or lacks a text or an argument that the code names. */
  badText: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** An event in the inbox no longer parses: it was stored by another version. */
  badEvent: { retry: 'never', arrived: 'no', notice: 'malformed' },
  /** The account’s network was taken out of the configuration. */
  networkUnknown: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The link is not up, and the step needs an answer over it. */
  linkDown: { retry: 'later', arrived: 'no', notice: 'network-unreachable' },
  /** The keys service holds no usable device of the contact. */
  contactHasNoKeys: { retry: 'never', arrived: 'no', notice: 'contact-has-no-keys' },
  /** The account is not active yet, or suspended: its messages wait. */
  accountNotActive: { retry: 'later', arrived: 'no', notice: 'not-connected' },
  /** The message waited longer than `bridge.delivery.too_old_hours` and was not sent late. */
  tooOld: { retry: 'never', arrived: 'no', notice: 'too-old' },
  /** The rules do not let the message pass: of a kind or size that cannot be sent, or of somebody else. */
  refused: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** Its author took the message back before it was sent. */
  redacted: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** The message came back from the network; `condition` says why. */
  bounced: { retry: 'never', arrived: 'no', notice: 'network-refused' },
  /** A contact asked for a message again, and it is not kept any more. */
  retryNotKept: { retry: 'never', arrived: 'no', notice: 'internal' },
});
