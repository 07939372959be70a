const LONGEST_TOKEN = 8_192;

/**
 * The token of an `Authorization` header: RFC 6750 §2.1; the scheme's case does not matter (RFC 9110 §11.1).
 * @returns `undefined` when there is none, or none that has the form.
 */
export function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length > LONGEST_TOKEN) return undefined;
  return /^bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1];
}
