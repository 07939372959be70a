/**
 * What of HTML is carried, one list for both directions: what comes from clients is cut down to it before it is read, and
 * what is written for them stays as it is when it is cut down again.
 */
import sanitizeHtml from 'sanitize-html';

/** Matrix specification, "m.room.message msgtypes": clients limit nesting to 100. */
const MAX_DEPTH = 100;
/** As the network bounds the value of a range. */
const MAX_HREF = 3_071;
const SCHEMES = ['https', 'http', 'ftp', 'mailto', 'magnet', 'tel', 'matrix'];
const ADDRESS = new RegExp(`^(?:${SCHEMES.join('|')}):[^\\s\\p{Cc}<>"\`\\\\]+$`, 'iu');

const POLICY: sanitizeHtml.IOptions = {
  allowedTags: [
    ...['b', 'strong', 'i', 'em', 's', 'del', 'strike', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'a'],
    ...['br', 'p', 'div', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'img', 'details', 'summary', 'span'],
    ...['table', 'thead', 'tbody', 'tfoot', 'tr', 'th', 'td', 'caption'],
  ],
  allowedAttributes: {
    a: ['href'],
    ol: ['start'],
    img: ['alt'],
    span: ['data-mx-spoiler'],
  },
  allowedClasses: { code: ['language-*'] },
  allowedSchemes: SCHEMES,
  allowProtocolRelative: false,
  // Their words are not the sender's: programs, hidden things, and the old quotation of what a reply answers.
  nonTextTags: [
    ...['script', 'style', 'textarea', 'option', 'xmp', 'title', 'noscript', 'noembed', 'noframes', 'iframe'],
    ...['svg', 'math', 'object', 'template', 'mx-reply'],
  ],
  nestingLimit: MAX_DEPTH,
};

/** The HTML with nothing left in it but what is carried, balanced. Never throws. */
export function cleanHtml(html: string): string {
  return sanitizeHtml(html, POLICY);
}

/** Whether a link may lead there: a whole address of a scheme that is known to do no harm. */
export function isSafeAddress(address: string): boolean {
  return address.length <= MAX_HREF && ADDRESS.test(address);
}

/** For text between tags. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** For attributes in double quotes. */
export function escapeAttribute(text: string): string {
  return escapeHtml(text).replaceAll('"', '&quot;');
}
