export { fieldTerm, hasTerm, parseFilter, toggleTerm } from 'hopscope-protocol';
