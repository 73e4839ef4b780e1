/**
 * The levels of `@std/log` and their numbers.
 *
 * @module
 */

/** Number of each level; a logger passes on what is at least its own. */
export const LogLevels = { NOTSET: 0, DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40, CRITICAL: 50 } as const;

/** Name of a level. */
export type LevelName = keyof typeof LogLevels;

/** Number of a level. */
export type LogLevel = (typeof LogLevels)[LevelName];

/** All names, from the lowest level up. */
export const LogLevelNames: LevelName[] = ["NOTSET", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"];

/** The number of a level. Throws when there is no level of that name. */
export function getLevelByName(name: LevelName): LogLevel {
  if (!Object.hasOwn(LogLevels, name)) throw new Error(`Cannot get log level: no level named ${name}`);
  return LogLevels[name];
}

/** The name of a level. Throws when there is no level of that number. */
export function getLevelName(level: LogLevel): LevelName {
  const name = LogLevelNames.find((candidate) => LogLevels[candidate] === level);
  if (name === undefined) throw new Error(`Cannot get log level: no level with number ${level}`);
  return name;
}
