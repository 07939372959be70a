/** Kinds of text that several settings share. Each checks; none reads the disk or asks the network. */
import { z } from 'zod';
import { Secret } from './secret.ts';

/** A line for people: 1 to `max` characters, no control characters. */
export function line(max: number): z.ZodString {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(max)
    .regex(/^[^\p{Cc}]*$/u, 'must not contain line breaks or control characters');
}

/**
 * An http or https URL to which paths are added: no user, query or fragment; a trailing slash is dropped.
 * @param transport `any`, or `https` where plain http is taken for this machine only (127.0.0.0/8, ::1, localhost).
 */
export function baseUrl(transport: 'any' | 'https') {
  return z
    .url({ protocol: /^https?$/, error: badUrl })
    .max(2048)
    .refine(isPlainUrl, 'must have no user, password, query or fragment')
    .refine(
      (text) => transport === 'any' || isSafeTransport(text),
      'must be https (http only for this machine)',
    )
    .overwrite((text) => text.replace(/\/+$/, ''));
}

// Matrix specification, "Server Name": a host name, an IPv4 or a bracketed IPv6 address, and perhaps a port.
const SERVER_NAME = /^(?:[A-Za-z0-9.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/** A Matrix server name. */
export function serverName(): z.ZodString {
  return z.string().regex(SERVER_NAME, 'must be a Matrix server name, such as matrix.org');
}

/** Whether `text` is a Matrix server name. */
export function isServerName(text: string): boolean {
  return SERVER_NAME.test(text);
}

/** A domain on the network (RFC 7622 §3.2, in its ASCII form), lower case. */
export function networkDomain(): z.ZodString {
  return z
    .string()
    .max(253)
    .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/, 'must be a domain in lower case, without a port');
}

/** A path of a file; made absolute by the loader. */
export function filePath(): z.ZodString {
  return z.string().min(1, 'must not be empty').max(4096);
}

/** A token of at least 32 characters that fits an `Authorization` header (RFC 6750 §2.1, b64token). */
export function token() {
  return z
    .string()
    .min(32, 'must have at least 32 characters')
    .max(512)
    .regex(/^[A-Za-z0-9._~+/-]+=*$/, 'must consist of letters, digits and - . _ ~ + / only')
    .transform((text) => new Secret(text));
}

/** 32 random bytes in base64 (RFC 4648 §4). */
export function key32() {
  return z
    .string()
    .regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 bytes in base64: 44 characters')
    .refine(isNotOneByteRepeated, 'must be random')
    .transform((text) => new Secret<Buffer>(Buffer.from(text, 'base64')));
}

function badUrl(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === 'invalid_format' ? 'must be an http or https URL' : undefined;
}

function isPlainUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.username === '' && url.password === '' && !/[?#]/.test(text);
}

function isSafeTransport(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'https:' || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url?.hostname ?? '');
}

function isNotOneByteRepeated(text: string): boolean {
  return new Set(Buffer.from(text, 'base64')).size > 1;
}
