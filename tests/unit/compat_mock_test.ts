/** `@std/testing/mock` as published. */
import { assertEquals, AssertionError, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { assertSpyCall, assertSpyCalls, spy, stub } from "@std/testing/mock";

describe("mock", () => {
  it("a spy passes calls on, and remembers arguments, results and errors", () => {
    const half = spy((value: number): number => {
      if (value % 2 !== 0) throw new RangeError("odd");
      return value / 2;
    });
    assertEquals(half(8), 4);
    assertThrows(() => half(3), RangeError, "odd");
    assertSpyCalls(half, 2);
    assertSpyCall(half, 0, { args: [8], returned: 4 });
    assertEquals(half.calls[1]?.error instanceof RangeError, true);
    assertThrows(() => assertSpyCalls(half, 1), AssertionError);
    assertThrows(() => assertSpyCall(half, 0, { args: [9] }), AssertionError);
    assertThrows(() => assertSpyCall(half, 2), AssertionError);
  });

  it("a spy of nothing returns undefined", () => {
    const nothing = spy();
    assertEquals(nothing(1, 2), undefined);
    assertSpyCall(nothing, 0, { args: [1, 2] });
  });

  it("a stub stands in for a method until it is disposed", () => {
    const account = {
      balance: 5,
      read(): number {
        return this.balance;
      },
    };
    {
      using read = stub(account, "read", () => 7);
      assertEquals(account.read(), 7);
      assertSpyCall(read, 0, { self: account, args: [], returned: 7 });
    }
    assertEquals(account.read(), 5);
  });

  it("a stub of an inherited method leaves nothing behind", () => {
    class Base {
      name(): string {
        return "base";
      }
    }
    const object = new Base();
    const name = stub(object, "name");
    assertEquals(object.name(), undefined);
    name.restore();
    assertEquals(object.name(), "base");
    assertEquals(Object.hasOwn(object, "name"), false);
    assertThrows(() => name.restore());
  });
});
