/**
 * What a colour of CSS is for an element, in a form that a canvas takes: a canvas knows neither
 * variables nor light-dark().
 */
export function resolvedColour(element: HTMLElement, colour: string): string {
  const before = element.style.color;
  element.style.color = colour;
  const resolved = getComputedStyle(element).color;
  element.style.color = before;
  return resolved;
}
