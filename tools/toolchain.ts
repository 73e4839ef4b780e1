/**
 * The C compiler and its flags. Used by every tool that compiles: build, C tests, fuzzers.
 *
 * @module
 */

/** A way to compile: what is shipped, and what finds faults. */
export type Variant = "release" | "asan" | "tsan" | "fuzz";

/** All variants. */
export const VARIANTS: readonly Variant[] = ["release", "asan", "tsan", "fuzz"];

/** A message for the user, and the exit code that goes with it. */
export class ToolError extends Error {
  constructor(message: string, readonly exitCode = 1) {
    super(message);
    this.name = "ToolError";
  }
}

const WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion"];
// The value is empty so that a source may define it too without a warning.
const GNU_SOURCE = "-D_GNU_SOURCE=";
const COMMON = [
  "-std=gnu11",
  GNU_SOURCE,
  "-g",
  "-fPIC",
  "-fvisibility=hidden",
  "-pthread",
  "-Iffi/include",
  "-Iffi/src",
];
const SANITIZER = ["-O1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"];

const FLAGS: Record<Variant, readonly string[]> = {
  // Some distributions' compilers define _FORTIFY_SOURCE themselves, and warn of a second definition.
  release: ["-O2", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
  asan: [...SANITIZER, "-fsanitize=address,undefined"],
  tsan: [...SANITIZER, "-fsanitize=thread"],
  fuzz: [...SANITIZER, "-fsanitize=address,undefined,fuzzer-no-link"],
};

/** Flags for compiling one source. */
export function compileFlags(variant: Variant): readonly string[] {
  return [...COMMON, ...WARNINGS, ...FLAGS[variant]];
}

/** Flags for linking a program. */
export function programFlags(variant: Variant): readonly string[] {
  const sanitizer = FLAGS[variant].filter((flag) => flag.startsWith("-fsanitize="));
  return ["-pthread", ...sanitizer.map((flag) => flag.replace("fuzzer-no-link", "fuzzer"))];
}

/** Flags for linking the shared library. */
export function libraryFlags(): readonly string[] {
  // nodelete: workers still run in it when an uncaught error makes Deno close what it has opened.
  return ["-shared", "-pthread", "-Wl,-z,relro,-z,now,-z,nodelete", "-Wl,-z,noexecstack", "-Wl,--no-undefined"];
}

/** Throws unless the library can run on this platform. */
export function checkPlatform(target: string): void {
  if (/^(x86_64|aarch64)-.*-linux-gnu$/.test(target)) return;
  throw new ToolError(
    `Cannot build the C library: the platform must be Linux with glibc on x86_64 or aarch64: current value is ${target}. ` +
      "Sluice uses epoll, splice and close_range, which other systems lack; run it in a Linux virtual machine or container.",
  );
}

/** What to do where there is no compiler, or none that works. */
export const INSTALL_HINT = "Install one and try again: `apt-get install gcc libc6-dev` (Debian, Ubuntu), " +
  "`dnf install gcc glibc-devel` (Fedora, RHEL), `pacman -S gcc` (Arch), `zypper install gcc glibc-devel` (openSUSE).";

/** The compiler to use: `CC`, else the first that is there. Fuzzing needs clang. Throws ToolError when there is none. */
export async function findCompiler(variant: Variant, chosen: string | undefined): Promise<string> {
  const candidates = chosen !== undefined && chosen !== ""
    ? [chosen]
    : variant === "fuzz"
    ? ["clang", "clang-19", "clang-17", "clang-16", "clang-15", "clang-14"]
    : ["cc", "gcc", "clang"];
  for (const candidate of candidates) {
    if (await runs(candidate)) return candidate;
  }
  if (variant === "fuzz") {
    throw new ToolError("Cannot fuzz: no clang found. Install it and try again: `apt-get install clang`.");
  }
  throw new ToolError(
    `Cannot build the C library: no C compiler found (tried ${candidates.join(", ")}). ${INSTALL_HINT}`,
  );
}

async function runs(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.NotCapable) {
      // Under a permission set, a command that is on its list but not installed is refused rather than not found.
      if (["cc", "gcc", "clang"].includes(command)) return false;
      throw new ToolError(`Cannot use compiler: CC must be cc, gcc or clang: current value is ${command}`);
    }
    throw error;
  }
}
