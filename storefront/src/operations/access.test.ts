import { beforeEach, expect, it } from "vitest";

import { dropToken, keepToken, takeToken } from "./access";

beforeEach(() => {
  sessionStorage.clear();
  history.replaceState(null, "", "/ops");
});

it("a token in the address is taken out at once and kept for the tab", () => {
  history.replaceState(null, "", "/ops?sale=a#token=s3cret%2B1");
  expect(takeToken()).toBe("s3cret+1");
  expect(location.href).toMatch(/\/ops\?sale=a$/);
  expect(takeToken()).toBe("s3cret+1");
});

it("a token in the address replaces the one kept", () => {
  keepToken("old");
  history.replaceState(null, "", "/ops#token=new");
  expect(takeToken()).toBe("new");
});

it("a dropped token is gone", () => {
  keepToken("old");
  dropToken();
  expect(takeToken()).toBeNull();
});
