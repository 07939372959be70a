/** What we use of aws4 1.13, as read in its source; it ships no types. Checked by s3-store.test.ts. */
declare module 'aws4' {
  /** A request for node:http; `path` escaped. A given `X-Amz-Content-Sha256` is signed as it stands. */
  export interface SignedRequest {
    method: string;
    hostname: string;
    port?: number;
    path: string;
    service: 's3';
    region: string;
    headers: Record<string, string | number>;
  }

  export function sign(
    request: SignedRequest,
    credentials: { accessKeyId: string; secretAccessKey: string },
  ): SignedRequest;

  const aws4: { sign: typeof sign };
  export default aws4;
}
