import { COMMANDS } from './command-options.js';
import type { Option, Options, ValueSchema } from './option.js';

/** An option that a file may have, and the commands it is for. */
export interface FileOption {
  readonly option: Option & { readonly file: ValueSchema };
  readonly commands: readonly string[];
}

/** Every option that a file may have, by its key there: its long name. */
export const FILE_OPTIONS: ReadonlyMap<string, FileOption> = fileOptions();

function fileOptions(): Map<string, FileOption> {
  const found = new Map<string, FileOption>();
  for (const [command, { options }] of Object.entries(COMMANDS)) {
    for (const [key, option] of Object.entries(options as Options)) {
      const { file } = option;
      if (file === null) continue;
      const before = found.get(key);
      const commands = [...(before?.commands ?? []), command];
      found.set(key, { option: before?.option ?? { ...option, file }, commands });
    }
  }
  return found;
}

/** JSON Schema (draft 7, which editors know) of a configuration file. */
export function configSchema(): object {
  const properties = [...FILE_OPTIONS].map(([key, { option, commands }]) => [
    key,
    { description: description(option, commands), ...keySchema(option) },
  ]);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'hopscope configuration',
    description: 'Options of hopscope by their long names; what the command line says wins.',
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties) as Readonly<Record<string, object>>,
  };
}

function keySchema({ file, multiple }: FileOption['option']): object {
  return multiple === true ? { type: 'array', items: file } : file;
}

function description({ help }: Option, commands: readonly string[]): string {
  return `${help === '' ? '' : `${help} `}(${commands.join(', ')})`;
}
