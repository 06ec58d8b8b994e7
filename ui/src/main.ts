import { mount } from 'svelte';
import './base.css';
import App from './app.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app element');
mount(App, { target });
