import { render } from 'preact';
import { App } from './app/App';
import { savedTheme, setTheme } from './app/theme';
import './styles/base.css';
import './styles/worklist.css';

setTheme(savedTheme());
const root = document.getElementById('app');
if (root) render(<App />, root);
