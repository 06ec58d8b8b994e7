export { destinationLabel, shortService, sourceLabel } from 'hopscope-protocol';
