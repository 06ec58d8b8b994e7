// @ts-check
import { readFileSync } from 'node:fs';

/** @param {string} file @returns {unknown} `null` where there is no report that can be read */
export function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}
