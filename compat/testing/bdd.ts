/**
 * Stands in for `jsr:@std/testing/bdd` where only npm is reached, which does not carry it: `describe`, `it` and hooks
 * of its published API, written for this project. A top-level suite is one `Deno.test`; what it holds are its steps.
 *
 * @module
 */

/** Body of a test. */
export type TestFunction = (t: Deno.TestContext) => void | Promise<void>;

/** A hook. */
export type HookFunction = () => void | Promise<void>;

interface Suite {
  readonly name: string;
  readonly ignore: boolean;
  readonly only: boolean;
  readonly children: (Suite | Case)[];
  readonly beforeAll: HookFunction[];
  readonly afterAll: HookFunction[];
  readonly beforeEach: HookFunction[];
  readonly afterEach: HookFunction[];
}

interface Case {
  readonly name: string;
  readonly ignore: boolean;
  readonly only: boolean;
  readonly fn: TestFunction;
}

/** The suite whose `describe` function runs now. */
let open: Suite | undefined;

/** Registers a suite of tests. */
export interface Describe {
  (name: string, fn: () => void): void;
  /** Runs only this one. */
  only(name: string, fn: () => void): void;
  /** Does not run this one. */
  ignore(name: string, fn: () => void): void;
  /** Does not run this one. */
  skip(name: string, fn: () => void): void;
}

/** Registers a test. */
export interface It {
  (name: string, fn: TestFunction): void;
  /** Runs only this one of its suite. */
  only(name: string, fn: TestFunction): void;
  /** Does not run this one. */
  ignore(name: string, fn: TestFunction): void;
  /** Does not run this one. */
  skip(name: string, fn: TestFunction): void;
}

/** Groups tests; may be nested. */
export const describe: Describe = Object.assign(
  (name: string, fn: () => void) => addSuite(name, fn, {}),
  {
    only: (name: string, fn: () => void) => addSuite(name, fn, { only: true }),
    ignore: (name: string, fn: () => void) => addSuite(name, fn, { ignore: true }),
    skip: (name: string, fn: () => void) => addSuite(name, fn, { ignore: true }),
  },
);

/** A test: a step of the suite around it, or a test of its own. */
export const it: It = Object.assign(
  (name: string, fn: TestFunction) => addCase(name, fn, {}),
  {
    only: (name: string, fn: TestFunction) => addCase(name, fn, { only: true }),
    ignore: (name: string, fn: TestFunction) => addCase(name, fn, { ignore: true }),
    skip: (name: string, fn: TestFunction) => addCase(name, fn, { ignore: true }),
  },
);

/** Runs once before the tests of the suite around it. */
export function beforeAll(fn: HookFunction): void {
  suiteFor("beforeAll").beforeAll.push(fn);
}

/** Runs once after the tests of the suite around it, also when one failed. */
export function afterAll(fn: HookFunction): void {
  suiteFor("afterAll").afterAll.push(fn);
}

/** Runs before each test of the suite around it and of those within. */
export function beforeEach(fn: HookFunction): void {
  suiteFor("beforeEach").beforeEach.push(fn);
}

/** Runs after each test of the suite around it and of those within, also when the test failed. */
export function afterEach(fn: HookFunction): void {
  suiteFor("afterEach").afterEach.push(fn);
}

function suiteFor(hook: string): Suite {
  if (open === undefined) throw new Error(`Cannot register hook: ${hook} must be called inside describe`);
  return open;
}

function addSuite(name: string, fn: () => void, marks: { only?: boolean; ignore?: boolean }): void {
  const suite: Suite = {
    name,
    only: marks.only ?? false,
    ignore: marks.ignore ?? false,
    children: [],
    beforeAll: [],
    afterAll: [],
    beforeEach: [],
    afterEach: [],
  };
  const parent = open;
  open = suite;
  try {
    // A promise would register its tests after the suite is closed.
    const result: unknown = fn();
    if (result instanceof Promise) throw new TypeError(`Cannot register suite: "${name}" must not be async`);
  } finally {
    open = parent;
  }
  if (parent !== undefined) {
    parent.children.push(suite);
    return;
  }
  Deno.test({
    name,
    only: suite.only || hasOnly(suite),
    ignore: suite.ignore,
    fn: (t) => runSuite(suite, t, [], []),
  });
}

function addCase(name: string, fn: TestFunction, marks: { only?: boolean; ignore?: boolean }): void {
  const only = marks.only ?? false;
  const ignore = marks.ignore ?? false;
  if (open === undefined) Deno.test({ name, only, ignore, fn });
  else open.children.push({ name, only, ignore, fn });
}

function hasOnly(suite: Suite): boolean {
  return suite.children.some((child) => child.only || ("children" in child && hasOnly(child)));
}

async function runSuite(
  suite: Suite,
  t: Deno.TestContext,
  beforeEachOuter: readonly HookFunction[],
  afterEachOuter: readonly HookFunction[],
): Promise<void> {
  const before = [...beforeEachOuter, ...suite.beforeEach];
  const after = [...suite.afterEach, ...afterEachOuter];
  const restricted = hasOnly(suite);
  try {
    for (const hook of suite.beforeAll) await hook();
    for (const child of suite.children) {
      const isSuite = "children" in child;
      const left = restricted && !child.only && !(isSuite && hasOnly(child));
      await t.step({
        name: child.name,
        ignore: child.ignore || left,
        fn: (step) => isSuite ? runSuite(child, step, before, after) : runCase(child, step, before, after),
      });
    }
  } finally {
    for (const hook of suite.afterAll) await hook();
  }
}

async function runCase(
  test: Case,
  t: Deno.TestContext,
  before: readonly HookFunction[],
  after: readonly HookFunction[],
): Promise<void> {
  try {
    for (const hook of before) await hook();
    await test.fn(t);
  } finally {
    for (const hook of after) await hook();
  }
}
