import { area } from './module.js';
enum Colour { Red, Green = 5 }
const shape: { width: number } = { width: 21 };
console.log(area(shape), Colour.Green, shape?.width ?? 0);
