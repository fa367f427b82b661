export const unused = 'dropped by tree shaking';
export function area({ width, height = 2 }) {
  return width * height;
}
