import { mount } from 'svelte';
import './base.css';
import App from './app.svelte';
import { theme } from './theme/theme.svelte.js';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app element');
theme.begin();
mount(App, { target });
