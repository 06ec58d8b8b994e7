/** ANSI colours; every coloured word also says in text what the colour says. */
export type Paint = (code: Colour, text: string) => string;
export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold';

const CODES: Readonly<Record<Colour, string>> = {
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
  dim: '2',
  bold: '1',
};

export function painter(enabled: boolean): Paint {
  return enabled
    ? (code, text) => (text === '' ? '' : `\u001b[${CODES[code]}m${text}\u001b[0m`)
    : (_code, text) => text;
}

/** The colour of a packet's or flow's verdict. */
export function verdictColour(verdict: string): Colour {
  return verdict === 'dropped' ? 'red' : verdict === 'unknown' ? 'yellow' : 'green';
}
