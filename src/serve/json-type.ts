/** RFC 8259, section 11. */
export const JSON_TYPE = 'application/json; charset=utf-8';
