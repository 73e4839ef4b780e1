/** Wraps text in the escape sequence of a style; returns it as it is when colours are off. */
export declare function bold(str: string): string;
/** See {@linkcode bold}. */
export declare function dim(str: string): string;
/** See {@linkcode bold}. */
export declare function red(str: string): string;
/** See {@linkcode bold}. */
export declare function green(str: string): string;
/** See {@linkcode bold}. */
export declare function yellow(str: string): string;
/** See {@linkcode bold}. */
export declare function blue(str: string): string;
/** See {@linkcode bold}. */
export declare function magenta(str: string): string;
/** See {@linkcode bold}. */
export declare function cyan(str: string): string;
/** Turns colours on or off. */
export declare function setColorEnabled(value: boolean): void;
/** Whether colours are on. */
export declare function getColorEnabled(): boolean;
/** Takes escape sequences out. */
export declare function stripAnsiCode(string: string): string;
